"""Rows of the token sample that a search is run on."""

import torch
from torch import Tensor

from morphoquant.methods.base import TokenSample


def search_rows(sample: TokenSample, most: int) -> tuple[Tensor, Tensor]:
    """Evenly spaced rows without NaN or infinity.

    Args:
        sample: the rows, in order of slot, so that even spacing keeps every slot's share.
        most: largest number of rows.

    Returns:
        Rows [n, K] and the root of each row's share of all tokens [n, 1], float32: squares of errors times the root add up to
        the mean over the natural mixture of tokens.
    """
    finite = sample.finite()
    rows = len(finite.x)
    if rows > most:
        keep = torch.linspace(0, rows - 1, most, dtype=torch.float64).round().long()
        finite = TokenSample(finite.x[keep], finite.slots[keep], finite.weights[keep])
    shares = finite.weights / finite.weights.sum() if len(finite.x) else finite.weights
    return finite.x.float(), shares.sqrt().float()[:, None]
