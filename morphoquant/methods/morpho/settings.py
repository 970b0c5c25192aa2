"""Settings: every choice in which the published states of MorphoQuant differ, and their values in each state."""

import math
from dataclasses import dataclass, fields
from typing import Literal

from morphoquant.core.errors import SpecError

Variant = Literal["reference", "paper", "arxiv"]
Score = Literal["log1p", "log", "plain", "par"]
Scope = Literal["local", "global", "either", "quantile", "either-quantile"]
Edge = Literal["inner", "absmax", "minmax"]
OneSigned = Literal["asymmetric", "symmetric"]
SymmetricEdge = Literal["range", "odd"]
Cosine = Literal["off", "channel", "token"]


@dataclass(frozen=True)
class Settings:
    """All choices with a value; the methods' fields of the same names override those of their variant.

    Attributes:
        score: denominator of the dispersion score (stats.dispersion).
        mask_scope: over which layers the mask's threshold is taken.
        sigma: standard deviations above the mean from which a channel is an outlier.
        inclusive: the threshold itself is an outlier (>=).
        quantile: of the scores of all layers, for the quantile scopes.
        mask_all_roles: roles whose channels are all masked, such as "down_proj".
        edge: base edges of two-signed channels. "inner" is min(|min|, |max|) if masked and max(|min|, |max|) if not, both
            signs; "absmax" is max(|min|, |max|) for all; "minmax" is the raw range.
        one_signed: edges of channels of one sign; "asymmetric" is the raw range.
        symmetric_edge: grid on symmetric edges; "range" is the lopsided one of the code, "odd" has symmetric levels.
        lam: values of a masked channel bypass above lam times the edge; at 0 all of them do (the paper's full residual).
        max_bypass_density: largest share of a masked channel's sampled values that may bypass; the limit is raised to it.
        ratio_count: clip ratios tried, evenly spaced in the logarithm.
        ratio_low: smallest clip ratio; the largest is 1.
        p: exponent of the error.
        cos: cosine term of the objective, over the tokens of a channel or over the channels of a token.
        cos_weight: its weight.
        ema: weight of the earlier batches in the running mean of scores.
        search_batches: seeded parts of the token sample, searched one after another.
        search_seed: of that partition.
        bypass_penalty: weight of the bypassed share in the objective, in units of the channel's mean |x|^p.
    """

    score: Score
    mask_scope: Scope
    sigma: float
    inclusive: bool
    quantile: float
    mask_all_roles: tuple[str, ...]
    edge: Edge
    one_signed: OneSigned
    symmetric_edge: SymmetricEdge
    lam: float
    max_bypass_density: float
    ratio_count: int
    ratio_low: float
    p: float
    cos: Cosine
    cos_weight: float
    ema: float
    search_batches: int
    search_seed: int
    bypass_penalty: float

    def __post_init__(self):
        for name in (field.name for field in fields(self) if field.type is float):
            if not math.isfinite(getattr(self, name)):
                raise SpecError(f"{name} cannot be {getattr(self, name)}: give a finite number.")
        rules = {
            "sigma": (self.sigma >= 0, "at least 0"),
            "quantile": (0 <= self.quantile <= 1, "from 0 to 1"),
            "lam": (self.lam >= 0, "at least 0"),
            "max_bypass_density": (0 <= self.max_bypass_density <= 1, "from 0 to 1"),
            "ratio_count": (self.ratio_count >= 1, "at least 1"),
            "ratio_low": (0 < self.ratio_low <= 1, "above 0 and at most 1"),
            "p": (self.p > 0, "above 0"),
            "cos_weight": (self.cos_weight >= 0, "at least 0"),
            "ema": (0 <= self.ema < 1, "at least 0 and below 1"),
            "search_batches": (self.search_batches >= 1, "at least 1"),
            "bypass_penalty": (self.bypass_penalty >= 0, "at least 0"),
        }
        for name, (holds, allowed) in rules.items():
            if not holds:
                raise SpecError(f"{name} cannot be {getattr(self, name)}: allowed is a value {allowed}.")
        if self.cos == "token" and self.search_batches != 1:
            raise SpecError(
                f"the token-wise cosine couples all channels and is searched on one batch, not {self.search_batches}: "
                "use search_batches=1, or cos=channel."
            )

    @property
    def needs_population(self) -> bool:
        """Whether the mask looks at the scores of all layers."""
        return self.mask_scope != "local"


# The published code, branch static_1.1, with the exponent of its 3B ScienceQA and MMMU files.
REFERENCE = Settings(
    score="log1p",
    mask_scope="local",
    sigma=2.0,
    inclusive=True,
    quantile=0.95,
    mask_all_roles=("down_proj",),
    edge="inner",
    one_signed="asymmetric",
    symmetric_edge="range",
    lam=0.8,
    max_bypass_density=1.0,
    ratio_count=15,
    ratio_low=0.6,
    p=3.0,
    cos="off",
    cos_weight=1.0,
    ema=0.5,
    search_batches=4,
    search_seed=0,
    bypass_penalty=0.0,
)

# The text of the second version. Its score divides by log(mean|x| + eps), which is negative below a mean of 1 and infinite
# at it; log1p is the nearest denominator that orders channels.
PAPER = Settings(
    score="log1p",
    mask_scope="either",
    sigma=2.0,
    inclusive=False,
    quantile=0.95,
    mask_all_roles=(),
    edge="absmax",
    one_signed="symmetric",
    symmetric_edge="odd",
    lam=0.0,
    max_bypass_density=1.0,
    ratio_count=15,
    ratio_low=0.6,
    p=0.5,
    cos="token",
    cos_weight=1.0,
    ema=0.0,
    search_batches=1,
    search_seed=0,
    bypass_penalty=0.0,
)

# The first version, arXiv 2606.04349, known at second hand: range over mean, the top 5 % of the model, bypass at 1.5 alpha.
ARXIV = Settings(
    score="plain",
    mask_scope="quantile",
    sigma=2.0,
    inclusive=True,
    quantile=0.95,
    mask_all_roles=(),
    edge="absmax",
    one_signed="symmetric",
    symmetric_edge="odd",
    lam=1.5,
    max_bypass_density=1.0,
    ratio_count=15,
    ratio_low=0.6,
    p=0.5,
    cos="token",
    cos_weight=0.75,
    ema=0.0,
    search_batches=1,
    search_seed=0,
    bypass_penalty=0.0,
)

VARIANTS: dict[Variant, Settings] = {"reference": REFERENCE, "paper": PAPER, "arxiv": ARXIV}
