"""MorphoQuant by modality: one objective over modalities, masks of each, a bypass within a budget, a level for each.

r_c, limit_c = argmin of sum_m w_m mean_{t in m} |xhat_tc - x_tc|^p   within the budget over all channels
beta_m       = argmin over beta of sum_c |W_c|^p mean_{t in m} |Q_{beta alpha_c}(x_tc) - x_tc|^p
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.modality import Modality
from morphoquant.methods.base import GroupInputs, TokenSample
from morphoquant.methods.modalities import families, sampled
from morphoquant.methods.morpho.budget import affordable
from morphoquant.methods.morpho.edges import base_edges, density_floor
from morphoquant.methods.morpho.mask import channel_mask, channel_scores
from morphoquant.methods.morpho.search import Placement, clip_ratios, ratio_scores, ratio_shares
from morphoquant.methods.morpho.settings import Settings
from morphoquant.quant.bypass import Bypass

Balance = Literal["equal", "tokens"]
Masks = Literal["pooled", "union", "each"]
# Factors of the edge above which values may bypass under a budget, beside lam itself.
_LAMS = (1.0, 1.5, 2.5)
# Levels of a modality against the common edges; the first wins a tie.
LEVELS = (1.0, *(2.0 ** (step / 8) for step in range(-24, 9) if step))
# Values quantised at a time, all levels together.
_CHUNK = 1 << 19


@dataclass(frozen=True)
class Choices:
    """What a search by modality adds to the settings.

    Attributes:
        balance: "equal" gives each modality's mean error the same weight, "tokens" its share of the tokens.
        masks: outlier channels of all tokens ("pooled"), those of any modality ("union"), or for each modality its own.
        bypass_budget: largest share of a group's values that may bypass; 1 takes the bypass as the settings have it.
        two_level: gives each modality a factor of its own on all edges.
    """

    balance: Balance
    masks: Masks
    bypass_budget: float
    two_level: bool


@dataclass(frozen=True, eq=False)
class Member:
    """The rows of one modality.

    Attributes:
        sample: they.
        weight: of its mean error in the objective; all add up to 1.
        share: of the tokens.
        mask: channels whose values may bypass, bool [K].
    """

    sample: TokenSample
    weight: float
    share: float
    mask: Tensor


@dataclass(frozen=True, eq=False)
class Found:
    """What the search found.

    Attributes:
        base: edges before the search [K] each, float64.
        low: lower edge in use [K], float64.
        high: upper edge in use [K].
        limit: magnitude above which masked values bypass [K], float32.
        masks: outlier channels by modality, bool [K]; under None of all other rows.
        levels: factor on the edges by modality; under None of all other rows.
        density: share of the sampled values that bypass; None without a sample.
    """

    base: tuple[np.ndarray, np.ndarray]
    low: Tensor
    high: Tensor
    limit: Tensor
    masks: dict[Modality | None, Tensor]
    levels: dict[Modality | None, float]
    density: float | None


@dataclass(frozen=True, eq=False)
class _Option:
    """One way to place the edges and the bypass of all channels."""

    placement: Placement
    settings: Settings
    bypasses: bool


def masks_by_modality(
    inputs: GroupInputs, settings: Settings, choices: Choices, population: dict[Modality | None, np.ndarray] | None
) -> dict[Modality | None, Tensor]:
    """Outlier channels by modality, bool [K], under None those of rows that have no modality of their own."""

    def mask(summary, modality: Modality | None) -> Tensor:
        score = channel_scores(summary, settings)
        return torch.from_numpy(channel_mask(score, inputs.role, settings, (population or {}).get(modality)))

    pooled = mask(inputs.summary, None)
    if choices.masks == "pooled":
        return {None: pooled}
    each = {modality: mask(part, modality) for modality, part in families(inputs.summary).items()}
    union = reduce(torch.logical_or, each.values(), torch.zeros_like(pooled)) if each else pooled
    if choices.masks == "union" or len(each) < 2:
        return {None: union}
    return {None: each.get(Modality.TEXT, union), **each}


def search(inputs: GroupInputs, bits: int, settings: Settings, choices: Choices, masks: dict[Modality | None, Tensor]) -> Found:
    """Edges, limits and levels of one group.

    Args:
        inputs: the group.
        bits: activation bit-width.
        settings: of edges, bypass and objective.
        choices: of modalities and budget.
        masks: from `masks_by_modality`.
    """
    sample, summary = inputs.sample.finite(), inputs.summary
    members = _members(sample, masks, choices)
    union = reduce(torch.logical_or, masks.values())
    # The inner edge cuts off what only a bypass can carry, so every modality that is there must have one.
    held = reduce(torch.logical_and, (member.mask for member in members.values()), union)
    norms = sum(w.detach().double().square().sum(0).cpu() for w in inputs.weights.values()).sqrt() ** settings.p
    floor = density_floor(sample, union.numpy(), settings.max_bypass_density)
    inner = base_edges(summary.min, summary.max, held.numpy(), settings)
    outer = base_edges(summary.min, summary.max, np.zeros(len(union), bool), settings)
    options = [_option(inner, settings.lam, union, floor, bits, settings)]
    if choices.bypass_budget < 1 and bool(union.any()):
        lams = (settings.lam, *(lam for lam in _LAMS if lam > settings.lam))
        options += [_option(inner, lam, union, floor, bits, settings) for lam in lams[1:]]
        options += [_option(outer, lam, union, floor, bits, settings) for lam in lams]
        options.append(replace(options[-1], bypasses=False))
    option, ratio = _chosen(list(members.values()), options, union, norms, choices.bypass_budget)
    columns = torch.arange(len(union))
    base = [torch.stack([getattr(one.placement, edge) for one in options])[option, columns] for edge in ("low", "high")]
    limits = [one.placement.bypass(ratio, one.settings).limit for one in options]
    bypasses = torch.tensor([one.bypasses for one in options])[option]
    found = Found(
        base=tuple(edge.numpy() for edge in base),
        low=ratio * base[0],
        high=ratio * base[1],
        limit=torch.stack(limits)[option, columns],
        masks={modality: mask & bypasses for modality, mask in masks.items()},
        levels={None: 1.0},
        density=None,
    )
    if not members:
        return found
    kept = {modality: Bypass(_of(found.masks, modality), found.limit) for modality in members}
    density = sum(one.share * kept[name].share(one.sample.x, one.sample.weights) for name, one in members.items())
    levels = {None: 1.0}
    if choices.two_level:
        own = {
            modality: _level(member.sample, found, kept[modality], bits, norms, settings) for modality, member in members.items()
        }
        levels = {None: own.get(Modality.TEXT, 1.0), **own} if len(own) > 1 else {None: next(iter(own.values()))}
    return replace(found, levels=levels, density=density)


def _option(edges, lam: float, mask: Tensor, floor: Tensor, bits: int, settings: Settings) -> _Option:
    low, high = (torch.from_numpy(np.ascontiguousarray(edge, np.float64)) for edge in edges)
    return _Option(Placement(low, high, mask, floor, bits), replace(settings, lam=lam), True)


def _members(sample: TokenSample, masks: dict[Modality | None, Tensor], choices: Choices) -> dict[Modality, Member]:
    rows = sampled(sample)
    total = float(sample.weights.sum())
    found = {}
    for modality, part in rows.items():
        share = float(part.weights.sum()) / total
        found[modality] = Member(part, 1 / len(rows) if choices.balance == "equal" else share, share, _of(masks, modality))
    return found


def _of(masks: dict[Modality | None, Tensor], modality: Modality) -> Tensor:
    return masks.get(modality, masks[None])


def _chosen(members: list[Member], options: list[_Option], union: Tensor, norms: Tensor, budget: float) -> tuple[Tensor, Tensor]:
    """Option [K] and clip ratio [K] of each channel. Channels that no mask holds have the first option alone."""
    ratios = clip_ratios(options[0].settings)
    channels = len(union)
    if not members:
        return torch.zeros(channels, dtype=torch.int64), torch.ones(channels, dtype=torch.float64)
    cost = torch.full((len(options) * len(ratios), channels), torch.inf, dtype=torch.float64)
    share = torch.zeros_like(cost)
    every = torch.arange(channels)
    for place, option in enumerate(options):
        where = every if place == 0 else union.nonzero()[:, 0]
        rows = slice(place * len(ratios), (place + 1) * len(ratios))
        cost[rows, where], share[rows, where] = _judged(members, option, where)
    cost *= norms.clamp_min(torch.finfo(torch.float64).tiny)
    index = affordable(cost, share, budget) if budget < 1 else torch.from_numpy(cost.numpy().argmin(0))
    return index // len(ratios), ratios[index % len(ratios)]


def _judged(members: list[Member], option: _Option, where: Tensor) -> tuple[Tensor, Tensor]:
    """Objective and share of bypassed values of the channels `where`, at each ratio [ratios, channels]."""
    cost, share = 0.0, 0.0
    for member in members:
        rows = TokenSample(member.sample.x[:, where], member.sample.slots, member.sample.weights)
        placed = option.placement
        mask = member.mask[where] if option.bypasses else torch.zeros(len(where), dtype=torch.bool)
        part = Placement(placed.low[where], placed.high[where], mask, placed.floor[where], placed.bits)
        cost = cost - member.weight * ratio_scores(rows, part, option.settings).double()
        share = share + member.share * ratio_shares(rows, part, option.settings)
    return cost, share


def _level(sample: TokenSample, found: Found, bypass: Bypass, bits: int, norms: Tensor, settings: Settings) -> float:
    """Factor on all edges with which the rows of one modality have the smallest error."""
    levels = torch.tensor(LEVELS, dtype=torch.float64)[:, None, None]
    share = (sample.weights / sample.weights.sum()).float()
    channels = sample.x.shape[1]
    width = max(1, _CHUNK // (len(sample.x) * len(LEVELS)))
    error = torch.zeros(len(LEVELS), dtype=torch.float64)
    for start in range(0, channels, width):
        part = slice(start, start + width)
        x = sample.x[:, part].contiguous()
        placement = Placement(found.low[part], found.high[part], bypass.mask[part], bypass.limit[part], bits)
        kept = Bypass(bypass.mask[part], bypass.limit[part])
        off = kept.apply(x, placement.grid(levels, settings).quantize(x)) - x
        error += (share @ off.abs_().pow_(settings.p)).double() @ norms[part]
    return LEVELS[int(error.numpy().argmin())]
