"""MorphoQuant: DABC and MDQFO together."""

from dataclasses import dataclass
from typing import ClassVar

from morphoquant.methods.base import METHODS
from morphoquant.methods.morpho.assembly import Parts
from morphoquant.methods.morpho.method import MaskFields, MorphoMethod, SearchFields


@dataclass(frozen=True, kw_only=True)
class MorphoQuant(SearchFields, MaskFields, MorphoMethod):
    """Masks dispersed channels, then searches the clip ratio of every channel with the bypass in place.

    Idea: DABC frees the search from outliers, the search places the grid on what is left.

    Formula: that of DABC, with r_c = argmin over r of mean_t |xhat_tc(r) - x_tc|^p. With number formats other than
        integers the search, on integers of as many bits, places the limit of the bypass alone.

    Needs: extremes and mean magnitude of each channel, and a token sample.
    Cost: that of MDQFO's search; at inference a sparse product of the bypassed values.
    Fails when: lam < 14/15 at 4 bits: whatever would be clipped on a masked channel bypasses without error, so the smallest
        ratio always wins and the bypass density grows unseen; `bypass_penalty` or `max_bypass_density` stop it.

    Source: MorphoQuant (arXiv 2606.04349) and its published code; `variant` names which of the two.

    Attributes:
        bypass_penalty: weight of the bypassed share in the objective, in units of the channel's mean |x|^p.
    """

    bypass_penalty: float | None = None

    name: ClassVar[str] = "morphoquant"
    parts: ClassVar[Parts] = Parts(masks=True, searches=True)


METHODS.add("morphoquant", MorphoQuant)
