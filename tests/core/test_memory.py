import subprocess
import sys

import pytest

from morphoquant.core.errors import SpecError
from morphoquant.core.memory import parse_memory


@pytest.mark.parametrize(
    ("text", "size"), [("24GB", 24 * 10**9), ("1.5 GiB", 3 * 2**29), ("512mib", 2**29), ("7 B", 7), ("3tb", 3 * 10**12)]
)
def test_sizes_are_read(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "24", "GB", "-1GB", "0GB", "24GBs", "1e3GB", "0.4B", "nanGB"])
def test_anything_else_is_one_sentence(text):
    with pytest.raises(SpecError, match="expected a number with its unit"):
        parse_memory(text)


FREED = """
import psutil, sys
import numpy as np
from morphoquant.core.memory import give_back_what_is_freed
if len(sys.argv) > 1 and not give_back_what_is_freed():
    sys.exit("no")
del (first := [np.ones(4_000_000)])[:]  # after this glibc takes what is no larger from what it keeps
arrays = [np.ones(1_000_000) for _ in range(20)]
last = np.ones(1_000_000)
del arrays
print(psutil.Process().memory_info().rss)
"""


def test_freed_arrays_go_back_to_the_system():
    """Twenty of 8 MB, freed below one that stays."""
    held = {}
    for words in ((), ("give back",)):
        done = subprocess.run([sys.executable, "-c", FREED, *words], capture_output=True, text=True)
        if done.stderr.strip() == "no":
            pytest.skip("this C library has no mallopt")
        held[words] = int(done.stdout)
    assert held["give back",] < held[()] - 100e6
