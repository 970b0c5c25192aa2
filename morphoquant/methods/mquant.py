"""MQuant: static activation scales of each modality."""

from dataclasses import dataclass, replace
from typing import Literal

from morphoquant.core.errors import SpecError
from morphoquant.core.modality import Modality
from morphoquant.core.spec import FULL_PRECISION_BITS, QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs, Need
from morphoquant.methods.modalities import apart
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_range
from morphoquant.methods.rtn import RTN


@dataclass(frozen=True)
class MQuant(PlainMethod):
    """One static activation range for each modality and layer.

    Idea: visual tokens are far larger than text, so that one static range for both wastes the levels of text, and a dynamic one
        a token costs a pass over the data. A range a modality is static and fits both.

    Formula: Q_m(x) = s_m clamp(round(x / s_m)), s_m = max_{t in m}|x_t| / (2^(bits-1) - 1) over all channels, for the rows of m.

    Needs: the extremes of each channel by modality.
    Cost: none beyond capturing statistics; at run time the modality of every row must be known.
    Fails when: single channels or tokens of one modality differ as widely as modalities do; a rotation before it helps
        (quarot+mquant). With dynamic token scales it would do nothing: a factor on a whole row cancels, so those are refused.

    Source: MQuant (arXiv 2502.00425), its modality-specific static quantisation. Its reordering of tokens is exact and for speed
        alone; that, its suppression of rotated outlier weights and its GPTQ weights (mquant+gptq) are not part of this.

    Attributes:
        grid: "symmetric" has zero in the middle, "asymmetric" spans min to max with zero inside.
        clip: share of the range that the grid spans, above 0, at most 1.
    """

    grid: Literal["symmetric", "asymmetric"] = "symmetric"
    clip: float = 1.0

    name = "mquant"
    needs = frozenset({Need.MODALITIES})
    finds = frozenset({Part.ACTIVATION})

    def __post_init__(self):
        require_range(self.name, "clip", self.clip, 0, 1, open_low=True)

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError unless activations, where quantised, are integers with one static range."""
        if spec.quantises_activations and spec.a_granularity != "tensor":
            raise SpecError(
                f"mquant rounds activations to integers with one static range a modality and cannot honour {str(spec)!r}: "
                "write it with -tensor, or use rtn."
            )

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        """Fits the rows of each modality as if there were no other; the weights are those of all."""
        self.check(spec)
        nearest = RTN(self.grid, self.clip) if spec.quantises_activations else RTN()
        present = apart(inputs, sample=False)
        if len(present) < 2 or not spec.quantises_activations:
            return nearest.fit(next(iter(present.values()), inputs), spec)
        # Rows of no modality of their own count as text; where there is none, as everything together.
        base = replace(nearest.fit(present.get(Modality.TEXT, inputs), spec), columns=None)
        rounding, parts = QuantSpec(FULL_PRECISION_BITS, spec.a_bits, spec.a_granularity), {}
        for modality, given in present.items():
            if modality is not Modality.TEXT:
                parts[modality] = replace(base, activation=nearest.fit(given, rounding).activation)
        return replace(base, by_modality=parts)


METHODS.add("mquant", MQuant)
