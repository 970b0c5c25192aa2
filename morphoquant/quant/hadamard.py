"""Hadamard matrices: entries 1 and -1, orthogonal rows. Built, not tabulated.

Powers of two by Sylvester's doubling; other orders by Paley's two constructions from squares modulo a prime, and by
Williamson's from four symmetric circulants where Paley's do not reach.

Source: Paley 1933, "On orthogonal matrices"; Williamson 1944, "Hadamard's determinant theorem and the sum of
four squares". The circulants below were found by matching power spectra, the last with a cyclotomic subgroup held fixed.
"""

from functools import lru_cache
from math import isqrt

import numpy as np

# By n, entries 1 to (n - 1) / 2 of the first rows of four symmetric circulants of order n whose entry 0 is 1.
_CIRCULANTS = {
    13: ("--++++", "++-+-+", "-++--+", "-+++--"),
    23: ("--+-+-+++++", "--++-+-+-++", "++---++--++", "--+--+++---"),
    25: ("-++---++++++", "-+---+---+++", "-+--+-++--++", "+--+--++-+--"),
    29: ("--+-++---+++++", "-+-++---+--+++", "++-++-++++---+", "-+-+----++-++-"),
    43: ("---++--++++-+-+++-++-", "+---++++-+--+--++----", "++-+-++--+-+-++++-+--", "+-++++++----+-+--++-+"),
}
# Largest order used as one dense factor: a token costs this many multiply-accumulates a channel. Blocks that leave channels of
# other blocks apart are not worth as much.
LARGEST_FACTOR, LARGEST_BLOCK_FACTOR = 512, 128


@lru_cache(maxsize=64)
def hadamard(order: int) -> np.ndarray:
    """A Hadamard matrix, int8 [order, order], read-only.

    Raises:
        ValueError: no construction here reaches this order.
    """
    if order == 1:
        found = np.ones((1, 1), np.int8)
    elif _prime(order - 1) and (order - 1) % 4 == 3:
        found = _paley_one(order - 1)
    elif order % 4 == 0 and _prime(order // 2 - 1) and (order // 2 - 1) % 4 == 1:
        found = _paley_two(order // 2 - 1)
    elif order % 4 == 0 and order // 4 in _CIRCULANTS:
        found = _williamson(order // 4)
    elif order % 2 == 0:
        found = np.kron(hadamard(order // 2), np.array([[1, 1], [1, -1]], np.int8))
    else:
        raise ValueError(f"no Hadamard matrix of order {order} is built here")
    found.setflags(write=False)
    return found


def factors(channels: int) -> tuple[int, int]:
    """A dense factor m and a power of two p, such that there is a Hadamard matrix of order m p.

    Returns:
        (m, p) with m p equal to `channels` and m at most `LARGEST_FACTOR` where a construction reaches it. Else m p is the
        largest order that divides `channels`, with m at most `LARGEST_BLOCK_FACTOR`: rotations are then block-diagonal.
    """
    if found := _split(channels, LARGEST_FACTOR):
        return found
    smaller = (size for size in range(channels // 2, 0, -1) if channels % size == 0)
    return next(found for size in smaller if (found := _split(size, LARGEST_BLOCK_FACTOR)))


def _split(order: int, largest: int) -> tuple[int, int] | None:
    """(m, p) with m p equal to `order` and the smallest m that is built; None without one up to `largest`."""
    power = order & -order
    dense = order // power
    if dense == 1:
        return 1, power
    while power > 1 and dense * 2 <= largest:
        dense, power = dense * 2, power // 2
        try:
            hadamard(dense)
        except ValueError:
            continue
        return dense, power
    return None


def _prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, isqrt(number) + 1))


def _squares(q: int) -> np.ndarray:
    """Quadratic character of j - i modulo q: 1 for squares, -1 for others, 0 for zero [q, q]."""
    character = -np.ones(q, np.int8)
    character[np.arange(1, q, dtype=np.int64) ** 2 % q] = 1
    character[0] = 0
    return character[(np.arange(q)[None] - np.arange(q)[:, None]) % q]


def _paley_one(q: int) -> np.ndarray:
    found = np.ones((q + 1, q + 1), np.int8)
    found[1:, 0] = -1
    found[1:, 1:] = _squares(q) + np.eye(q, dtype=np.int8)
    return found


def _paley_two(q: int) -> np.ndarray:
    conference = np.ones((q + 1, q + 1), np.int8)
    conference[0, 0] = 0
    conference[1:, 1:] = _squares(q)
    doubled = np.kron(conference, np.array([[1, 1], [1, -1]], np.int8))
    return doubled + np.kron(np.eye(q + 1, dtype=np.int8), np.array([[1, -1], [-1, -1]], np.int8))


def _williamson(n: int) -> np.ndarray:
    a, b, c, d = (_circulant(half) for half in _CIRCULANTS[n])
    return np.block([[a, b, c, d], [-b, a, -d, c], [-c, d, a, -b], [-d, -c, b, a]])


def _circulant(half: str) -> np.ndarray:
    signs = [1 if sign == "+" else -1 for sign in half]
    row = np.array([1, *signs, *signs[::-1]], np.int8)
    return row[(np.arange(len(row))[None] - np.arange(len(row))[:, None]) % len(row)]
