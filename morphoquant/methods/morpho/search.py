"""MDQFO's search: the clip ratio of each channel that leaves the smallest error after the bypass.

    score_c(r) = - mean_t |xhat_tc(r) - x_tc|^p        xhat = x where it bypasses, Q_{r low, r high}(x) elsewhere

over `ratio_count` log-spaced ratios, averaged over batches of the sample by an exponential moving average.
Channels are independent, so they are searched a few at a time, all ratios at once.

Source: MorphoQuant reference code, QuantAct.search; the paper's equation for L_p.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morphoquant.methods.base import TokenSample
from morphoquant.methods.morpho.settings import Settings
from morphoquant.quant.bypass import EVERY_VALUE, Bypass
from morphoquant.quant.grid import UniformGrid, range_grid

# Values evaluated at a time, all ratios together: enough to outweigh the cost of a call, few enough to bound the memory.
_CHUNK = 1 << 19


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the grid of each channel may be placed.

    Attributes:
        low: lower base edge [K], float64.
        high: upper base edge [K], float64.
        masked: outlier channels, bool [K].
        floor: least bypass limit of each channel [K], float32; `EVERY_VALUE` where nothing binds.
        bits: activation bit-width.
    """

    low: Tensor
    high: Tensor
    masked: Tensor
    floor: Tensor
    bits: int

    def grid(self, ratio: Tensor, settings: Settings) -> UniformGrid:
        """Grid at clip ratios that broadcast against [K]."""
        grid = range_grid(ratio * self.low, ratio * self.high, self.bits, odd=settings.symmetric_edge == "odd")
        return UniformGrid(grid.step.float(), grid.zero_point.float(), grid.code_low, grid.code_high)

    def bypass(self, ratio: Tensor, settings: Settings) -> Bypass:
        """Correction at clip ratios that broadcast against [K]."""
        reach = (ratio * torch.maximum(self.low.abs(), self.high.abs())).float()
        limit = settings.lam * reach if settings.lam > 0 else torch.full_like(reach, EVERY_VALUE)
        return Bypass(self.masked, torch.maximum(limit, self.floor))

    def columns(self, part: slice) -> "Placement":
        """The same of some channels."""
        return Placement(self.low[part], self.high[part], self.masked[part], self.floor[part], self.bits)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Some channels at every ratio.

    Attributes:
        part: which channels.
        x: their sampled values [n, channels].
        hat: quantised and corrected [ratios, n, channels].
        placement: of these channels.
    """

    part: slice
    x: Tensor
    hat: Tensor
    placement: Placement


def clip_ratios(settings: Settings) -> Tensor:
    """The ratios, from 1 down, float64 [ratio_count]; the order makes 1 win a tie."""
    if settings.ratio_count == 1:
        return torch.ones(1, dtype=torch.float64)
    return settings.ratio_low ** torch.linspace(0, 1, settings.ratio_count, dtype=torch.float64)


def candidates(x: Tensor, placement: Placement, settings: Settings) -> Iterator[Candidates]:
    """Every channel of `x` [n, K] at every ratio, a few channels at a time."""
    ratios = clip_ratios(settings)[:, None, None]
    rows, channels = x.shape
    width = max(1, _CHUNK // (rows * len(ratios)))
    for start in range(0, channels, width):
        part = slice(start, min(start + width, channels))
        here, values = placement.columns(part), x[:, part].contiguous()
        hat = here.grid(ratios, settings).quantize(values)
        if bool(here.masked.any()):
            hat = here.bypass(ratios, settings).apply(values, hat)
        yield Candidates(part, values, hat, here)


def search_ratio_index(sample: TokenSample, placement: Placement, settings: Settings) -> Tensor:
    """Best ratio of each channel by the separable part of the objective.

    Args:
        sample: rows without NaN or infinity, at least one.
        placement: base edges, mask and least limits.
        settings: p, cos, batches and so on.

    Returns:
        Index into `clip_ratios(settings)` [K], int64.
    """
    # numpy's argmax returns the first of equal scores, torch's may return any.
    return torch.from_numpy(ratio_scores(sample, placement, settings).numpy().argmax(0))


def ratio_scores(sample: TokenSample, placement: Placement, settings: Settings) -> Tensor:
    """Score of each ratio for each channel after the moving average over batches [ratios, K]; larger is better."""
    order, shares = _batches(sample, settings)
    x = sample.x[order]
    scores = torch.empty(settings.ratio_count, x.shape[1])
    for chunk in candidates(x, placement, settings):
        scores[:, chunk.part] = _smoothed(_scores(chunk, shares, settings), settings.ema)
    return scores


def ratio_shares(sample: TokenSample, placement: Placement, settings: Settings) -> Tensor:
    """Share of each channel's sampled values that bypass at each ratio [ratios, K]."""
    ratios = clip_ratios(settings)
    share = sample.weights / sample.weights.sum()
    flags = (placement.bypass(ratio, settings).bypassed(sample.x) for ratio in ratios)
    return torch.stack([share @ flag.double() for flag in flags])


def _batches(sample: TokenSample, settings: Settings) -> tuple[Tensor, Tensor]:
    """Row order and the share of each row in its batch, float32 [batches, n]."""
    rows = len(sample.x)
    order = np.random.default_rng(settings.search_seed).permutation(rows)
    shares = torch.zeros(min(settings.search_batches, rows), rows, dtype=torch.float64)
    for share, rows_of_batch in zip(shares, np.array_split(np.arange(rows), len(shares)), strict=True):
        weights = sample.weights[order[rows_of_batch]]
        share[rows_of_batch] = weights / weights.sum()
    return torch.from_numpy(order), shares.float()


def _scores(chunk: Candidates, shares: Tensor, settings: Settings) -> Tensor:
    """Score of each ratio, batch and channel [ratios, batches, channels]; larger is better."""
    score = -(shares @ (chunk.hat - chunk.x).abs_().pow_(settings.p))
    if settings.cos == "channel":
        product, squares = shares @ (chunk.hat * chunk.x), shares @ chunk.hat.square()
        norms = (squares * (shares @ chunk.x.square())).sqrt_()
        score += settings.cos_weight * product / norms.clamp_min(torch.finfo(norms.dtype).tiny)
    if settings.bypass_penalty and bool(chunk.placement.masked.any()):
        ratios = clip_ratios(settings)[:, None, None]
        kept = chunk.placement.bypass(ratios, settings).bypassed(chunk.x).float()
        score -= settings.bypass_penalty * (shares @ kept) * (shares @ chunk.x.abs().pow_(settings.p))
    return score


def _smoothed(scores: Tensor, ema: float) -> Tensor:
    """Moving average over batches [ratios, channels]."""
    mean = scores[:, 0]
    for batch in range(1, scores.shape[1]):
        mean = ema * mean + (1 - ema) * scores[:, batch]
    return mean
