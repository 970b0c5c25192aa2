"""One torch thread for work that is many short vectors.

Torch splits even short vectors among its threads and waits for the slowest after each operation. Where vectors fit the
cache this gains little on an idle machine, and on a busy one the waiting takes far longer than the work. Results no longer
depend on the number of threads either.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch runs on the calling thread alone inside the `with`; the number of threads before is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
