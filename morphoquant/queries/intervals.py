"""Intervals and tests for shares of items, in which every item counts once.

Item counts are small and shares near one, where the normal approximation has too short intervals; all of these keep their
level there.
"""

from math import comb
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


def wilson(right, items) -> tuple[np.ndarray, np.ndarray]:
    """95 % score interval of a share, never beyond [0, 1].

    Args:
        right: items counted.
        items: items asked, at least 1.

    Returns:
        Lower and upper end.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22.
    """
    right, items = np.asarray(right, float), np.asarray(items, float)
    share, weight = right / items, _Z**2 / items
    centre = (share + weight / 2) / (1 + weight)
    half = _Z / (1 + weight) * np.sqrt(share * (1 - share) / items + weight / (4 * items))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of `values` by Student's t; NaN where there are fewer than two."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = student_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def student_quantile(degrees):
    """Half-width of a 95 % interval in standard errors, by Student's t; within 1 % from two degrees of freedom on.

    Args:
        degrees: of freedom, at least 1; one number or an array of them.

    Source: Abramowitz and Stegun 1964, equation 26.7.5 (expansion around the normal quantile).
    """
    z = _Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, 1))


def paired_difference(both: int, first_only: int, second_only: int, neither: int) -> tuple[float, float]:
    """95 % interval of (share right in the second) - (share right in the first), answers on the same items.

    Args:
        both: items right in both.
        first_only: items right in the first alone.
        second_only: items right in the second alone.
        neither: items right in none.

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on paired
        data", Statist. Med. 17, method 10 (score intervals of both shares, joined by their correlation).
    """
    items = both + first_only + second_only + neither
    one, two = (both + second_only) / items, (both + first_only) / items
    (low_one, low_two), (high_one, high_two) = wilson([both + second_only, both + first_only], items)
    phi = _correlation(both, second_only, first_only, neither)
    down, up = one - low_one, high_two - two
    below = max(down**2 - 2 * phi * down * up + up**2, 0.0) ** 0.5
    down, up = two - low_two, high_one - one
    above = max(down**2 - 2 * phi * down * up + up**2, 0.0) ** 0.5
    return one - two - below, one - two + above


def _correlation(a: int, b: int, c: int, d: int) -> float:
    """Phi of a table of pairs, corrected for continuity where it is positive (Newcombe 1998)."""
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if not margins:
        return 0.0
    excess = a * d - b * c
    return (max(excess - (a + b + c + d) / 2, 0.0) if excess > 0 else excess) / margins**0.5


def exact_mcnemar(first_only: int, second_only: int) -> float:
    """Two-sided p value that two answerers are equally often right, from the items on which they differ.

    Source: McNemar 1947, Psychometrika 12; the exact binomial form. 1 where they differ on no item.
    """
    differing = first_only + second_only
    tail = sum(comb(differing, count) for count in range(min(first_only, second_only) + 1))
    return min(1.0, 2 * tail / 2**differing)


def holm(values) -> np.ndarray:
    """p values of several tests, raised so that the chance of any false finding stays at the level of one test.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6.
    """
    values = np.asarray(values, float)
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(raised)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted
