"""How many threads the kernel uses: as many as torch, whose pool it shares where both use the same OpenMP library."""

import functools

import numba
import numpy as np
import torch


def use_threads() -> int:
    """Sets numba to torch's number of threads and returns it."""
    wanted = torch.get_num_threads()
    _start()
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)
    threads = min(wanted, numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(threads)
    return threads


@functools.cache
def _start() -> None:
    """Starts numba's threads. That sets OpenMP's default number of threads, and with it torch's, to that of the processors."""
    _touch(np.zeros(1))


@numba.njit(parallel=True, cache=True)
def _touch(x):
    for i in numba.prange(len(x)):
        x[i] += 1.0
