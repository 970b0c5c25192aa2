"""MDQFO's objective with the token-wise cosine, minimised by coordinate descent.

    L = 1/K sum_c mean_t |xhat_tc - x_tc|^p + weight (1 - mean_t cos(x_t, xhat_t))

The cosine of a token looks at all its channels, so the ratios are no longer independent. Starting from the best ratios of
the first term, channels are visited a few at a time: the change of L at each of their ratios is computed with all others
held, and the moves are taken if together they lower L, else the best single one. L never rises.

Source: MorphoQuant, second version, L_p + lambda_cos L_cos. The paper learns alpha by gradient; this search has the same
objective on the grid of ratios of the code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from morphoquant.methods.base import TokenSample
from morphoquant.methods.morpho.search import Candidates, Placement, candidates
from morphoquant.methods.morpho.settings import Settings

_TINY = 1e-30


@dataclass(frozen=True, eq=False)
class _Totals:
    """Per-token sums over all channels, float64 [n]: x xhat, xhat^2 and x^2."""

    product: Tensor
    hat_sq: Tensor
    x_sq: Tensor


def refine_ratio_index(sample: TokenSample, placement: Placement, settings: Settings, start: Tensor) -> Tensor:
    """One sweep over all channels.

    Args:
        sample: rows without NaN or infinity, at least one.
        placement: base edges, mask and least limits.
        settings: p, cos_weight and so on.
        start: index of the ratio of each channel to start from [K].

    Returns:
        Index of the ratio of each channel [K].
    """
    share = (sample.weights / sample.weights.sum()).float()
    x_sq = sample.x.square().sum(1, dtype=torch.float64)
    product, hat_sq = torch.zeros_like(x_sq), torch.zeros_like(x_sq)
    for chunk in candidates(sample.x, placement, settings):
        hat = _chosen(chunk.hat, start[chunk.part])
        product += (hat * chunk.x).sum(1, dtype=torch.float64)
        hat_sq += hat.square().sum(1, dtype=torch.float64)
    totals = _Totals(product, hat_sq, x_sq)
    best = start.clone()
    for chunk in candidates(sample.x, placement, settings):
        best[chunk.part] = _move(chunk, best[chunk.part], totals, share, sample.x.shape[1], settings)
    return best


def _move(chunk: Candidates, now: Tensor, totals: _Totals, share: Tensor, width: int, settings: Settings) -> Tensor:
    """New ratios of one chunk; `totals` follow in place."""
    columns = torch.arange(len(now))
    held = _chosen(chunk.hat, now)
    products, squares = chunk.x * (chunk.hat - held), chunk.hat.square() - held.square()
    errors = (share @ (chunk.hat - chunk.x).abs().pow_(settings.p)) / width
    loss = errors - errors[now, columns] - settings.cos_weight * _cosine_gain(products, squares, totals, share)
    wish = torch.from_numpy(loss.numpy().argmin(0))
    wish = torch.where(loss[wish, columns] < 0, wish, now)
    if bool((wish == now).all()):
        return now
    together = (errors[wish, columns] - errors[now, columns]).sum()
    joint = _chosen(products, wish).sum(1), _chosen(squares, wish).sum(1)
    together -= settings.cos_weight * _cosine_gain(joint[0][:, None], joint[1][:, None], totals, share)[0]
    if together >= 0:
        alone = loss[wish, columns].argmin()
        wish = torch.where(columns == alone, wish, now)
    totals.product.add_(_chosen(products, wish).sum(1, dtype=torch.float64))
    totals.hat_sq.add_(_chosen(squares, wish).sum(1, dtype=torch.float64))
    return wish


def _cosine_gain(products: Tensor, squares: Tensor, totals: _Totals, share: Tensor) -> Tensor:
    """Change of the mean cosine when the per-token sums change by `products` and `squares` [..., n, channels].

    cos' - cos = (a - cos v / (q + 1)) / q with a = dproduct / sqrt(x_sq hat_sq), v = dhat_sq / hat_sq, q = sqrt(1 + v):
    no difference of nearly equal cosines is formed, so float32 is enough.
    """
    norms = (totals.x_sq * totals.hat_sq).sqrt()
    scale = torch.where(norms > _TINY, 1 / norms.clamp_min(_TINY), 0.0)
    cosine = (totals.product * scale).float()[:, None]
    grown = squares * torch.where(totals.hat_sq > _TINY, 1 / totals.hat_sq.clamp_min(_TINY), 0.0).float()[:, None]
    root = grown.clamp_min(-1 + 1e-6).add(1).sqrt_()
    gain = (products * scale.float()[:, None] - cosine * grown / (root + 1)) / root
    return share @ gain


def _chosen(values: Tensor, index: Tensor) -> Tensor:
    """values[index[c], :, c] of [ratios, n, channels], as [n, channels]."""
    return values.gather(0, index[None, None, :].expand(1, values.shape[1], -1))[0]
