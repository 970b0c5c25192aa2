"""Edges that a channel's grid is placed on, from its extremes. numpy alone, so that pages can place grids too."""

import numpy as np


def base_edges(
    low: np.ndarray, high: np.ndarray, masked: np.ndarray, edge: str, one_signed: str
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper edge [K].

    A masked channel whose minimum or maximum is exactly 0 counts as one-signed under the "inner" rule: the reference code
    gives it a grid of width zero, and every value but 0 bypasses.

    Args:
        low: smallest value of each channel [K].
        high: largest value [K].
        masked: outlier channels [K].
        edge: of channels of both signs. "inner" is min(|low|, |high|) if masked and max(|low|, |high|) if not, both signs;
            "absmax" is max(|low|, |high|) for all; "minmax" is the raw range.
        one_signed: of channels of one sign, "asymmetric" for the raw range or "symmetric".

    Source: MorphoQuant reference code, QuantAct.prepare.
    """
    outer, inner = np.maximum(np.abs(low), np.abs(high)), np.minimum(np.abs(low), np.abs(high))
    if edge == "minmax":
        return low, high
    reach = np.where(masked & (inner > 0), inner, outer) if edge == "inner" else outer
    alone = low * high > 0
    if edge == "inner":
        alone |= masked & (inner == 0)
    if one_signed == "symmetric":
        reach, alone = np.where(alone, outer, reach), np.zeros_like(alone)
    return np.where(alone, low, -reach), np.where(alone, high, reach)
