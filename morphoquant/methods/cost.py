"""What a fit costs beyond the quantised product itself, because accuracy without cost misleads."""

from collections.abc import Iterable
from dataclasses import dataclass

from morphoquant.methods.base import GroupFit
from morphoquant.quant.activation import StaticQuantizer

# Scales, signs, limits and constants are stored in 16 bits.
_BYTES = 2


@dataclass(frozen=True)
class Cost:
    """Cost of one group's fit or, added up, of all.

    Attributes:
        macs: multiply-accumulates of the quantised product, a token.
        extra_macs: those beside it in higher precision: an online change of basis, values and columns that bypass.
        extra_bytes: what must be stored beyond the weights in the spec's format.
        deployable: the product can be one of integers (or of the spec's format), with scales applied outside it. False for one
            static activation range a channel: its scales lie along the sum and can only be simulated, or folded into weights
            that are then rounded anew.
    """

    macs: float = 0.0
    extra_macs: float = 0.0
    extra_bytes: float = 0.0
    deployable: bool = True

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.macs + other.macs,
            self.extra_macs + other.extra_macs,
            self.extra_bytes + other.extra_bytes,
            self.deployable and other.deployable,
        )

    @property
    def extra_share(self) -> float:
        """Extra multiply-accumulates over those of the product; 0 without a product."""
        return self.extra_macs / self.macs if self.macs else 0.0


def cost_of(fit: GroupFit) -> Cost:
    """Cost of one group's fit; the bypassed share is that of the token sample, or of whole channels where there was none."""
    channels = next(iter(fit.weights.values())).shape[1]
    outputs = sum(len(w) for w in fit.weights.values())
    extra, stored = fit.transform.macs(channels), fit.transform.parameters(channels) * _BYTES
    if any(fit.transform.offset(w[:1]) is not None for w in fit.weights.values()):
        stored += outputs * _BYTES
    if fit.correction is not None:
        masked = float(fit.correction.mask.double().mean())
        extra += (masked if fit.bypass_density is None else fit.bypass_density) * channels * outputs
        stored += channels / 8 + masked * channels * _BYTES
    return Cost(float(channels * outputs), extra, stored + fit.extra_weight_bits / 8, not _by_channel(fit))


def total_cost(fits: Iterable[GroupFit]) -> Cost:
    """Costs of several groups, added up: of a token that passes all of them."""
    return sum((cost_of(fit) for fit in fits), Cost())


def _by_channel(fit: GroupFit) -> bool:
    return isinstance(fit.activation, StaticQuantizer) and fit.activation.levels.step.numel() > 1
