"""GPTQ: rounding that carries each column's error over to the columns after it."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs, Need
from morphoquant.methods.gptq_rounding import Carrying, Rounding, carried
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_least, require_range
from morphoquant.methods.rows import search_rows
from morphoquant.methods.rtn import RTN
from morphoquant.quant.threads import one_thread


@dataclass(frozen=True)
class GPTQ(PlainMethod):
    """Rounds weights column by column and makes up for the error with the columns that are still to come.

    Idea: errors of correlated inputs can cancel in the output; second-order statistics of the input say how.

    Formula: H = 2 X^T X / n over the weighted sample; with U the upper Cholesky factor of H^-1, column j becomes Q(w_j) and
        w_k -= (w_j - Q(w_j)) U_jk / U_jj for every later k.

    Needs: a token sample; the extremes of each channel for static activation ranges.
    Cost: K^3 + N K^2 a group, once; none at run time.
    Fails when: the sample has fewer rows than channels, so that most of H is damping; when H was measured on other tokens than
        those in use: the errors then add up. Activations are rounded to nearest.

    Source: Frantar et al. 2023, GPTQ (arXiv 2210.17323), algorithm 1. Inputs are those of the
        full-precision model, not of one quantised up to this layer. An output channel keeps its rounding to nearest where
        that has the smaller error on the sample.

    Attributes:
        damping: share of the mean of H's diagonal that is added to it.
        act_order: takes the columns with the largest diagonal first; groups then keep the scales of the original weights.
        rows: sampled tokens that H is made of, at most.
    """

    damping: float = 0.01
    act_order: bool = False
    rows: int = 2048

    name = "gptq"
    needs = frozenset({Need.EXTREMES, Need.SAMPLE})
    finds = frozenset({Part.WEIGHTS})

    def __post_init__(self):
        require_range(self.name, "damping", self.damping, 0, 1, open_low=True)
        require_least(self, 1, "rows")

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError unless weights, where quantised, are integers."""
        if spec.quantises_weights and spec.w_format != "int":
            raise SpecError(
                f"gptq carries errors over integer grids and cannot honour {spec.w_format} weights in {str(spec)!r}: "
                "choose integer weights, or use rtn."
            )

    def matrices(self, role: str) -> int:
        """The Hessian, which becomes its factor."""
        return 1

    @one_thread()
    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        self.check(spec)
        nearest = RTN().fit(inputs, spec)
        x, root = search_rows(inputs.sample, self.rows)
        if not spec.quantises_weights or not len(x):
            return nearest
        rows = (x * root).double()
        how = Rounding(spec.w_bits, spec.w_group, self.damping, self.act_order)
        carrying, weights = Carrying.over(rows, how), {}
        for layer, w in inputs.weights.items():
            w = w.detach()
            found = carried(w.cpu(), carrying, how).to(w.device)
            better = quadratic_error(found - w, rows) < quadratic_error(nearest.weights[layer] - w, rows)
            weights[layer] = torch.where(better[:, None], found, nearest.weights[layer])
        return replace(nearest, weights=weights)


def quadratic_error(off: Tensor, rows: Tensor) -> Tensor:
    """|X d|^2 of the error d of each output channel, [out], float64.

    Args:
        off: errors [out, K].
        rows: scaled by the root of their share, float64 [n, K].
    """
    return (off.double() @ rows.to(off.device).T).square_().sum(1)


METHODS.add("gptq", GPTQ)
