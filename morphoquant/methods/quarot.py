"""QuaRot: random rotations that spread outliers over all channels."""

from dataclasses import dataclass

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupInputs, Need
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import BasisMethod, require_least, require_range
from morphoquant.methods.rtn import RTN
from morphoquant.quant.rotation import random_rotation
from morphoquant.quant.transform import Identity, Transform


@dataclass(frozen=True)
class QuaRot(BasisMethod):
    """Rotates the input of every linear by a randomised Hadamard matrix, then rounds to nearest.

    Idea: an orthogonal matrix leaves the product as it is and turns a few wide channels into many of equal width, whose values
        are nearly normal.

    Formula: x D H and W D H with random signs D and H a Hadamard matrix over the square root of its order.

    Needs: a token sample and the counts of channels, for static ranges only.
    Cost: at run time K log2 K additions a token and input, and K m multiply-accumulates where K = m 2^p is no power of two.
        The paper folds most of its rotations into neighbouring weights; here each group has its own, online.
    Fails when: one static range a channel was enough, since it then mixes quiet channels with loud ones; when K is odd, and
        little can be mixed; when one token is far larger than all others, which no rotation of channels helps.

    Source: Ashkboos et al. 2024, QuaRot (arXiv 2404.00456): randomised Hadamard transforms.

    Attributes:
        seed: of the signs.
        clip: share of the range that integer activation grids span; the paper takes 0.9, here 1 like all others.
    """

    seed: int = 0
    clip: float = 1.0

    name = "quarot"
    needs = frozenset({Need.EXTREMES, Need.SAMPLE})
    mixes = True

    def __post_init__(self):
        require_range(self.name, "clip", self.clip, 0, 1, open_low=True)
        require_least(self, 0, "seed")

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError if `clip` would place an integer grid that the spec has not."""
        if self.clip != 1 and spec.a_format != "int":
            raise SpecError(
                f"quarot cannot honour {str(spec)!r} with clip, which places integer grids: leave it out, or use rtn."
            )

    @property
    def finds(self) -> frozenset[Part]:
        """The rotation, and with a clip the activation bounds, which a combination would otherwise round without it."""
        return frozenset({Part.TRANSFORM} if self.clip == 1 else {Part.TRANSFORM, Part.ACTIVATION})

    @property
    def nearest(self) -> RTN:
        return RTN(clip=self.clip)

    def transform(self, inputs: GroupInputs, spec: QuantSpec) -> Transform:
        # Ranges after a rotation are measured on the sample: without a row there is no grid to place, and the basis stays.
        if spec.static_activations and not (inputs.summary.count.any() and len(inputs.sample.finite().x)):
            return Identity()
        return random_rotation(inputs.channels, self.seed)


METHODS.add("quarot", QuaRot)
