"""ZeroQuant: group-wise weights, token-wise activations."""

from dataclasses import dataclass, replace

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_least, require_token_scales
from morphoquant.methods.rtn import RTN

# Below this many weights a group, scales would take more room than they save.
SMALLEST = 16


@dataclass(frozen=True)
class ZeroQuant(PlainMethod):
    """Rounds weights with one scale a group of input channels and activations with one scale a token.

    Idea: finer scales on both sides, chosen so that they cost little: weight scales are fixed, a token's scale leaves the
        product.

    Formula: Q(w) = s round(w / s), s = max|w| / (2^(bits-1) - 1) over the group; the same over a token for x.

    Needs: nothing.
    Cost: none; 16 bits of scale a group, and a maximum over each token at run time.
    Fails when: single channels of the input are far larger than all others of their token.

    Source: Yao et al. 2022, ZeroQuant (arXiv 2206.01861): its fine-grained scheme. Its layer-by-layer distillation is not part of
        this.

    Attributes:
        group: input channels that share a weight scale, at most; the largest divisor of the input's width is taken. A -g in
            the spec and formats with blocks of their own go first.
    """

    group: int = 64

    name = "zeroquant"
    needs = frozenset()
    finds = frozenset({Part.WEIGHTS})

    def __post_init__(self):
        require_least(self, SMALLEST, "group")

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError unless activations have one scale a token."""
        require_token_scales(self.name, spec)

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        self.check(spec)
        group = self._group(inputs.channels)
        if not spec.quantises_weights or spec.w_format != "int" or spec.w_group is not None or group is None:
            return RTN().fit(inputs, spec)
        found = RTN().fit(inputs, replace(spec, w_group=group))
        outputs = sum(len(w) for w in found.weights.values())
        return replace(found, extra_weight_bits=16.0 * outputs * (inputs.channels // group - 1))

    def _group(self, channels: int) -> int | None:
        divisors = (size for size in range(min(self.group, channels), SMALLEST - 1, -1) if channels % size == 0)
        return next(divisors, None)


METHODS.add("zeroquant", ZeroQuant)
