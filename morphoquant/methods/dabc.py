"""DABC: distribution-aware bias compensation, alone."""

from dataclasses import dataclass
from typing import ClassVar

from morphoquant.methods.base import METHODS
from morphoquant.methods.morpho.assembly import Parts
from morphoquant.methods.morpho.method import MaskFields, MorphoMethod


@dataclass(frozen=True, kw_only=True)
class DABC(MaskFields, MorphoMethod):
    """Keeps the large values of dispersed channels in full precision, on edges that are not searched.

    Idea: a few channels are wide but mostly near zero; a grid that spans them wastes its levels. Their grid is placed on the
        bulk, and what lies outside passes as a sparse correction.

    Formula: D_c = (max - min) / log(1 + mean|x|); masked if D_c >= mean(D) + sigma std(D); xhat = x where a masked channel's
        |x| > lam * edge, Q(x) elsewhere. With number formats other than integers the edges place the limit alone, and Q
        rounds to the format, bypassed values being zero to their block.

    Needs: extremes and mean magnitude of each channel; a token sample to report and to cap the bypass density.
    Cost: none beyond capturing statistics; at inference a sparse product of the bypassed values.
    Fails when: min or max of a masked channel is close to zero, so that the inner edge lies in the bulk and most of its values
        bypass (max_bypass_density caps it); when no channel is dispersed it changes nothing.

    Source: MorphoQuant (arXiv 2606.04349), section on DABC, and its published code.
    """

    name: ClassVar[str] = "dabc"
    parts: ClassVar[Parts] = Parts(masks=True, searches=False)


METHODS.add("dabc", DABC)
