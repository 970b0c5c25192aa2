"""How many threads the kernel uses: as many as torch, whose pool it shares where both use the same OpenMP library."""

import functools
import threading

import numba
import numpy as np
import torch

from morphoquant.stats.kernel import LOADED, TILE


def use_threads() -> int:
    """Sets numba to torch's number of threads and returns it."""
    wanted = torch.get_num_threads()
    _start()
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)
    threads = min(wanted, numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(threads)
    return threads


def scratch(threads: int) -> np.ndarray:
    """Room for the tiles of so many threads, one for each caller. Allocated anew, its pages would cost time."""
    return _scratch(threads, threading.get_ident())


@functools.lru_cache(maxsize=8)
def _scratch(threads: int, caller: int) -> np.ndarray:
    return np.zeros((threads, LOADED, TILE), np.float32)


@functools.cache
def _start() -> None:
    """Starts numba's threads. That sets OpenMP's default number of threads, and with it torch's, to that of the processors."""
    _touch(np.zeros(1))


@numba.njit(parallel=True, cache=True)
def _touch(x):
    for i in numba.prange(len(x)):
        x[i] += 1.0
