"""What a fit costs beyond the quantised product itself, because accuracy without cost misleads."""

from dataclasses import dataclass

from morphoquant.methods.base import GroupFit
from morphoquant.quant.activation import StaticQuantizer
from morphoquant.quant.bypass import Bypass

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
    """Cost of one group's fit; the bypassed share is that of the token sample, or of whole channels where there was none.

    Where rows of some modalities are quantised differently, a token costs what the dearest of them does, and all of their
    parameters are stored.
    """
    parts = [fit, *fit.by_modality.values()]
    channels = next(iter(fit.weights.values())).shape[1]
    outputs = sum(len(w) for w in fit.weights.values())
    corrections = {id(part.correction): part.correction for part in parts if part.correction is not None}
    stored = sum(_stored(part, channels, outputs) for part in parts)
    stored += sum(channels / 8 + _masked(one) * channels * _BYTES for one in corrections.values())
    simulated = any(_by_channel(part) for part in parts)
    return Cost(float(channels * outputs), max(_extra_macs(part, channels, outputs) for part in parts), stored, not simulated)


def _extra_macs(fit: GroupFit, channels: int, outputs: int) -> float:
    extra = fit.transform.macs(channels)
    extra += sum(branch.inner.numel() + branch.outer.numel() for branch in fit.branches.values())
    if fit.correction is not None:
        extra += (_masked(fit.correction) if fit.bypass_density is None else fit.bypass_density) * channels * outputs
    return extra


def _stored(fit: GroupFit, channels: int, outputs: int) -> float:
    """Bytes of a fit without its correction."""
    numbers = fit.transform.parameters(channels)
    numbers += sum(branch.inner.numel() + branch.outer.numel() for branch in fit.branches.values())
    if any(fit.transform.offset(w[:1]) is not None for w in fit.weights.values()):
        numbers += outputs
    return numbers * _BYTES + fit.extra_weight_bits / 8


def _masked(correction: Bypass) -> float:
    return float(correction.mask.double().mean())


def _by_channel(fit: GroupFit) -> bool:
    return isinstance(fit.activation, StaticQuantizer) and fit.activation.levels.step.numel() > 1
