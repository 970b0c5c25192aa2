"""Independent pieces of work side by side, each on a thread of its own.

Fitting is many short operations: two threads for each of them gain a tenth, two fits at a time nearly twice. What a piece finds
does not depend on how many there are at a time.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import psutil
import torch

from morphoquant.quant.residence import device_of
from morphoquant.quant.threads import one_thread
from morphoquant.runs.inputs import CalibrationInputs

Piece = Callable[[], None]
# Square matrices of the widest input, in float64, that a fit may hold, and the share of the machine's memory for all of them.
_MATRICES, _SHARE = 3, 0.25


def side_by_side(pieces: Iterator[Piece], lanes: int) -> None:
    """Does all pieces, `lanes` at a time, and takes each from `pieces` when there is a lane for it, in order.

    Where one fails no further one is begun, those under way are waited for, and its error is raised. A single lane is the calling
    thread, with all of torch's threads.

    Args:
        pieces: need nothing of each other; the iterator itself is run by one lane at a time.
        lanes: 1 or more.
    """
    if lanes == 1:
        for piece in pieces:
            piece()
        return
    lock, stopped = Lock(), False
    learns = torch.is_grad_enabled()

    def taken() -> Piece | None:
        with lock:
            return None if stopped else next(pieces, None)

    def lane() -> None:
        nonlocal stopped
        torch.set_num_threads(1)  # a setting of each thread
        try:
            with torch.set_grad_enabled(learns):
                while (piece := taken()) is not None:
                    piece()
        except BaseException:
            stopped = True
            raise

    with one_thread(), ThreadPoolExecutor(lanes, "lane") as pool:
        under_way = [pool.submit(lane) for _ in range(lanes)]
        try:
            for one in under_way:
                one.result()
        finally:
            stopped = True


def lanes(inputs: CalibrationInputs) -> int:
    """How many fits to make at a time: one for each of torch's threads, as far as there is memory for what they search with.

    One where the model runs on a GPU, or is not in memory in float32, which is where memory is short.
    """
    if inputs.copies or device_of(inputs.model).type != "cpu":
        return 1
    one = 8 * _MATRICES * int(inputs.layers["in_features"].max()) ** 2
    return max(1, min(torch.get_num_threads(), int(_SHARE * psutil.virtual_memory().total) // one))
