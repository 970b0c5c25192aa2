"""Measure: the observer that compares quantised with full-precision inputs and outputs, for many fits in one pass.

Each linear is judged alone, on its full-precision input, so that errors of different layers do not mix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from morphoquant.methods.base import GroupFit
from morphoquant.metrics.error_sums import ErrorSums
from morphoquant.metrics.grid_use import GridUse

# What of the composition is quantised for each value of the errors table's `source`.
SOURCES = ("weight", "activation", "both")
# Inputs kept for the linears that share them; as many as `hooks.sharing` looks back.
_HELD = 3


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
        self._inputs: dict[str, list[tuple[Tensor, Tensor] | None]] = {}

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Quantises a shared input [rows, K] once a fit and adds up its error."""
        self._inputs.pop(group, None)
        if len(self._inputs) == _HELD:
            self._inputs.pop(next(iter(self._inputs)))
        pairs = zip(self.fits, self.results, strict=True)
        self._inputs[group] = [self._input(fits.get(group), done, group, x, slots) for fits, done in pairs]

    def on_linear(self, layer: str, group: str, module: nn.Linear, x: Tensor, slots: Tensor) -> None:
        """Adds up the error of a linear's output [rows, N], from its weight, its input and both."""
        # Methods of one weight format share tensors, and so outputs.
        outputs: dict[tuple[int, int], Tensor] = {}

        def output(inputs: Tensor, weight: Tensor) -> Tensor:
            key = (id(inputs), id(weight))
            if key not in outputs:
                outputs[key] = nn.functional.linear(inputs, weight)
            return outputs[key]

        original = module.weight.detach()
        for fits, done, given in zip(self.fits, self.results, self._inputs[group], strict=True):
            if given is None:
                continue
            fit, (exact, used) = fits[group], given
            weight, plain = fit.weights[layer], fit.transform.weight(original)
            reference = output(x, original)
            pairs = {"weight": (exact, weight), "activation": (used, plain), "both": (used, weight)}
            for source, (inputs, matrix) in pairs.items():
                if (source == "weight" and weight is original) or (source == "activation" and used is exact):
                    continue
                sums = done.errors.setdefault((layer, "output", source), ErrorSums(reference.shape[1], "output"))
                sums.update(reference, output(inputs, matrix), slots)

    @staticmethod
    def _input(fit: GroupFit | None, done: Measured, group: str, x: Tensor, slots: Tensor) -> tuple[Tensor, Tensor] | None:
        """(T(x), what the quantised weight is multiplied with), None outside the scope."""
        if fit is None:
            return None
        exact = fit.transform.input(x)
        if fit.activation is None:
            return exact, exact
        used = fit.activation.quantize(exact)
        clipped, bypassed, outliers = fit.activation.clipped(exact), None, None
        if fit.correction is not None:
            bypassed, outliers = fit.correction.bypassed(exact), fit.correction.mask
            used, clipped = torch.where(bypassed, exact, used), clipped & ~bypassed
        sums = done.errors.setdefault((group, "input", "activation"), ErrorSums(x.shape[1], "input"))
        sums.update(exact, used, slots, clipped=clipped, bypassed=bypassed, outliers=outliers)
        if fit.columns is not None:
            done.use.setdefault(group, GridUse(x.shape[1])).update(exact, used, slots, clipped, bypassed)
        return exact, used
