"""Measure: the observer that compares quantised with full-precision inputs and outputs, for many fits in one pass.

Each linear is judged alone, on its full-precision input, so that errors of different layers do not mix. Outputs are compared
with x W^T whatever basis a fit quantises in; errors of inputs are those in the fit's own basis, where its grid lies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.hooks.sharing import REMEMBERED
from morphoquant.methods.base import GroupFit
from morphoquant.metrics.error_sums import ErrorSums
from morphoquant.metrics.grid_use import GridUse
from morphoquant.quant.by_modality import split_rows
from morphoquant.quant.residence import is_stand_in, weight_of, widened
from morphoquant.quant.threads import one_thread


@dataclass(frozen=True, eq=False)
class Measured:
    """Sums of one fit.

    Attributes:
        errors: by (layer, tap, source).
        use: by group, of groups with a static grid.
    """

    errors: dict[tuple[str, str, str], ErrorSums]
    use: dict[str, GridUse]


class Measure:
    """Observer of `hooks.ModalityHooks`.

    Args:
        fits: fits by group name, one mapping a (method, spec) pair.
    """

    def __init__(self, fits: Sequence[Mapping[str, GroupFit]]):
        self.fits = fits
        self.results = [Measured({}, {}) for _ in fits]
        self._inputs: dict[str, list[list[_Input]]] = {}

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Quantises a shared input [rows, K] once a fit and adds up its error."""
        # Fits are in main memory, wherever the model runs.
        x, slots = x.cpu(), slots.cpu()
        keep = slots >= 0
        if not bool(keep.all()):
            x, slots = x[keep], slots[keep]
        x = widened(x)
        if not bool(torch.isfinite(x.sum())):
            raise BatchError(
                f"the input of {group} holds NaN or infinite values: errors cannot be measured on it; "
                "leave out that sample, or run the model in float32."
            )
        self._inputs.pop(group, None)
        if len(self._inputs) == REMEMBERED:
            self._inputs.pop(next(iter(self._inputs)))
        pairs = zip(self.fits, self.results, strict=True)
        # Fits that tell the same modalities apart share the rows, and so the reference outputs.
        split: dict[tuple[Modality, ...], list[tuple[Modality | None, Tensor, Tensor]]] = {(): [(None, x, slots)]}
        with one_thread():
            self._inputs[group] = [_quantised(fits.get(group), done, group, x, slots, split) for fits, done in pairs]

    def on_linear(self, layer: str, group: str, module: nn.Linear, x: Tensor, slots: Tensor) -> None:
        """Adds up the error of a linear's output [rows, N], from its weight, its input and both."""
        # Methods of one weight format share tensors, and so outputs.
        outputs: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = {}

        def output(inputs: Tensor, weight: Tensor) -> Tensor:
            key = (id(inputs), id(weight))
            if key not in outputs:  # with what it is of, so that no other tensor takes its number
                outputs[key] = inputs, weight, nn.functional.linear(inputs, weight)
            return outputs[key][-1]

        if not any(self._inputs[group]):
            return
        original = weight_of(module).cpu()
        for done, parts in zip(self.results, self._inputs[group], strict=True):
            for given in parts:
                self._add(done, layer, given, original, output)

    def _add(self, done: Measured, layer: str, given: "_Input", original: Tensor, output) -> None:
        fit = given.fit
        weight = fit.weights[layer]
        weight = original if is_stand_in(weight) else weight
        offset = fit.transform.offset(original)
        branch = fit.branches[layer].output(given.exact) if layer in fit.branches else None
        reference = output(given.plain, original)
        pairs = {
            "weight": (given.exact, weight, (offset, branch)),
            "activation": (given.undone, original, ()),
            "both": (given.used, weight, (offset, branch)),
        }
        for source, (inputs, matrix, more) in pairs.items():
            if (source == "weight" and weight.data_ptr() == original.data_ptr()) or (
                source == "activation" and given.used is given.exact
            ):
                continue
            result = output(inputs, matrix)
            for part in more:
                result = result if part is None else result + part.to(result.dtype)
            sums = done.errors.setdefault((layer, "output", source), ErrorSums(reference.shape[1], "output"))
            with one_thread():
                sums.update(reference, result, given.slots)


@dataclass(frozen=True, eq=False)
class _Input:
    """Rows that count, as a fit sees them.

    Attributes:
        fit: what they are quantised by.
        plain: x.
        exact: T(x).
        used: what the quantised weight is multiplied with, in the basis of T.
        undone: the same in the basis of x.
        slots: of the rows.
    """

    fit: GroupFit
    plain: Tensor
    exact: Tensor
    used: Tensor
    undone: Tensor
    slots: Tensor


def _quantised(fit: GroupFit | None, done: Measured, group: str, x: Tensor, slots: Tensor, split: dict) -> list[_Input]:
    """Quantises rows and adds up their error: all at once, or by modality where the fit treats modalities differently. Nothing
    outside the scope."""
    if fit is None:
        return []
    apart = tuple(fit.by_modality)
    if apart not in split:
        split[apart] = [(modality, x[places], slots[places]) for modality, places in split_rows(slots, apart)]
    return [_rows(fit if one is None else fit.by_modality[one], done, group, *rows) for one, *rows in split[apart]]


def _rows(fit: GroupFit, done: Measured, group: str, x: Tensor, slots: Tensor) -> _Input:
    exact = fit.transform.input(x)
    if fit.activation is None:
        return _Input(fit, x, exact, exact, x, slots)
    used = fit.activation.quantize(exact)
    clipped, bypassed, outliers = fit.activation.clipped(exact), None, None
    if fit.correction is not None:
        bypassed, outliers = fit.correction.bypassed(exact), fit.correction.mask
        used, clipped = torch.where(bypassed, exact, used), clipped & ~bypassed
    sums = done.errors.setdefault((group, "input", "activation"), ErrorSums(x.shape[1], "input"))
    sums.update(exact, used, slots, clipped=clipped, bypassed=bypassed, outliers=outliers)
    if fit.columns is not None:
        done.use.setdefault(group, GridUse(x.shape[1])).update(exact, used, slots, clipped, bypassed)
    return _Input(fit, x, exact, used, fit.transform.undo(used), slots)
