"""From what the search by modality found to the fit of a group, in the input's basis or folded into the weight."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupFit, GroupInputs
from morphoquant.methods.basis import in_basis
from morphoquant.methods.columns import grid_columns
from morphoquant.methods.folding import scale_folds
from morphoquant.methods.morpho.mask import channel_scores
from morphoquant.methods.morpho.modal import Choices, Found, masks_by_modality, search
from morphoquant.methods.morpho.search import Placement
from morphoquant.methods.morpho.settings import Settings
from morphoquant.methods.weights import fit_weights
from morphoquant.quant.activation import StaticQuantizer
from morphoquant.quant.bypass import Bypass
from morphoquant.quant.channelwise import Scale
from morphoquant.quant.formats import FormatQuantizer
from morphoquant.quant.grid import UniformGrid
from morphoquant.quant.threads import one_thread
from morphoquant.quant.transform import Identity


@dataclass(frozen=True, eq=False)
class _Placed:
    """Grid and bypass of the rows of one modality, in the basis that they are quantised in."""

    quantizer: StaticQuantizer
    bypass: Bypass


@one_thread()
def fit_modal(
    inputs: GroupInputs, spec: QuantSpec, population: dict | None, settings: Settings, choices: Choices, fold: bool
) -> GroupFit:
    """Fits one group.

    Args:
        inputs: the group.
        spec: bit-widths and formats, checked.
        population: dispersion scores of all layers by modality, under None of all tokens; None for a local mask.
        settings: of edges, bypass and objective.
        choices: of modalities and budget.
        fold: divides the input by its steps and multiplies the weight with them before that is rounded, so that every value of
            the input has the same step and the product is one of integers.
    """
    if not spec.quantises_activations:
        return GroupFit(inputs.group, fit_weights(inputs, spec))
    found = search(inputs, spec.a_bits, settings, choices, masks_by_modality(inputs, settings, choices, population))
    steps = _grid(found, spec.a_bits, settings, 1.0).step.double() if fold else None
    transform = Identity() if steps is None else Scale(steps, scale_folds(inputs.role))
    weights = fit_weights(in_basis(inputs, transform), spec)
    common = _placed(found, None, spec.a_bits, settings, steps)
    fit = GroupFit(
        inputs.group,
        weights,
        activation=common.quantizer if spec.a_format == "int" else FormatQuantizer(spec.a_format, common.bypass),
        correction=common.bypass,
        transform=transform,
        bypass_density=found.density,
    )
    parts = {}
    for modality in (m for m in {**found.masks, **found.levels} if m not in (None, Modality.TEXT)):
        own = _placed(found, modality, spec.a_bits, settings, steps)
        rounding = own.quantizer if spec.a_format == "int" else FormatQuantizer(spec.a_format, own.bypass)
        parts[modality] = replace(fit, activation=rounding, correction=own.bypass)
    if parts or spec.a_format != "int":
        return replace(fit, by_modality=parts)
    per = 1.0 if steps is None else steps.numpy()
    score = channel_scores(inputs.summary, settings)
    masked, limit = common.bypass.mask.numpy(), common.bypass.limit.double().numpy()
    base = (found.base[0] / per, found.base[1] / per)
    return replace(fit, columns=grid_columns(common.quantizer, base=base, score=score, masked=masked, limit=limit))


def _grid(found: Found, bits: int, settings: Settings, level: float) -> UniformGrid:
    placement = Placement(found.low, found.high, found.masks[None], found.limit, bits)
    return placement.grid(torch.tensor(level, dtype=torch.float64), settings)


def _placed(found: Found, modality: Modality | None, bits: int, settings: Settings, steps: Tensor | None) -> _Placed:
    level = found.levels.get(modality, found.levels[None])
    mask = found.masks.get(modality, found.masks[None])
    low, high, limit = level * found.low, level * found.high, found.limit
    grid = _grid(found, bits, settings, level)
    if steps is not None:
        # The edges of all levels are multiples of the same, so that zero has one code in all of them.
        zero = _grid(found, bits, settings, 1.0).zero_point
        grid = UniformGrid(torch.tensor([level], dtype=torch.float32), zero, grid.code_low, grid.code_high)
        low, high, limit = low / steps, high / steps, (limit / steps).float()
    return _Placed(StaticQuantizer(grid, low, high), Bypass(mask, limit))


def population_of(summaries, settings: Settings, by_modality) -> dict[Modality | None, np.ndarray] | None:
    """Scores of all layers for masks that look at all of them: under None of all tokens, then by modality."""
    if not settings.needs_population:
        return None
    scores: dict[Modality | None, list[np.ndarray]] = {}
    for summary in summaries:
        for modality, part in {None: summary, **by_modality(summary)}.items():
            scores.setdefault(modality, []).append(channel_scores(part, settings))
    return {modality: np.concatenate(parts) for modality, parts in scores.items()}
