"""What the three methods have in common: fields that default to their variant's value."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from morphoquant.core.errors import UnknownNameError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import ChannelSummary, GroupFit, GroupInputs, Need
from morphoquant.methods.morpho.assembly import Parts, fit_group, require_channel_ranges
from morphoquant.methods.morpho.mask import pool_scores
from morphoquant.methods.morpho.settings import (
    VARIANTS,
    Cosine,
    Edge,
    OneSigned,
    Scope,
    Score,
    Settings,
    SymmetricEdge,
    Variant,
)


@dataclass(frozen=True, kw_only=True)
class MorphoMethod:
    """Base: the fields that place a grid. A field left None takes its variant's value (morpho/settings.py).

    Attributes:
        variant: "reference" is the published code, "paper" the text of the second version, "arxiv" the first version.
        edge: base edges, "inner", "absmax" or "minmax".
        one_signed: edges of channels of one sign, "asymmetric" or "symmetric".
        symmetric_edge: grid on symmetric edges, "range" or "odd".
    """

    variant: Variant = "reference"
    edge: Edge | None = None
    one_signed: OneSigned | None = None
    symmetric_edge: SymmetricEdge | None = None

    name: ClassVar[str]
    parts: ClassVar[Parts]

    def __post_init__(self):
        self.settings()

    @property
    def needs(self) -> frozenset[Need]:
        """What `survey` and `fit` read."""
        return self.parts.needs

    def settings(self) -> Settings:
        """The variant's settings with this method's fields in their place."""
        if self.variant not in VARIANTS:
            raise UnknownNameError(f"variant of {self.name}", self.variant, VARIANTS)
        given = {name: getattr(self, name) for name in self._settled()}
        return replace(VARIANTS[self.variant], **{name: value for name, value in given.items() if value is not None})

    def options(self) -> dict[str, Any]:
        """Every field with the value in effect."""
        settings = self.settings()
        settled = self._settled()
        values = {name: getattr(settings if name in settled else self, name) for name in (field.name for field in fields(self))}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def _settled(self) -> set[str]:
        """The fields that a variant has a value for."""
        return {field.name for field in fields(self)} & {field.name for field in fields(Settings)}

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError unless ranges of channels have a use; see `morpho/assembly.py`."""
        require_channel_ranges(self.name, spec, self.parts)

    def survey(self, summaries: Mapping[str, ChannelSummary]) -> np.ndarray | None:
        """Scores of all layers in scope, None where the mask looks at one layer at a time."""
        return pool_scores(summaries.values(), self.settings()) if self.parts.masks else None

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: np.ndarray | None = None) -> GroupFit:
        """Fits one group; see `morpho/assembly.py`."""
        return fit_group(self.name, inputs, spec, survey, self.settings(), self.parts)


@dataclass(frozen=True, kw_only=True)
class MaskFields:
    """Fields of DABC.

    Attributes:
        score: dispersion score, "log1p", "log", "plain" or "par".
        mask_scope: "local", "global", "either", "quantile" or "either-quantile".
        sigma: standard deviations above the mean from which a channel is masked.
        inclusive: whether the threshold itself is masked.
        quantile: for the quantile scopes.
        mask_all_roles: roles whose channels are all masked.
        lam: values of masked channels bypass above lam times the edge; 0 is the paper's full residual.
        max_bypass_density: largest share of a masked channel's values that may bypass.
    """

    score: Score | None = None
    mask_scope: Scope | None = None
    sigma: float | None = None
    inclusive: bool | None = None
    quantile: float | None = None
    mask_all_roles: tuple[str, ...] | None = None
    lam: float | None = None
    max_bypass_density: float | None = None


@dataclass(frozen=True, kw_only=True)
class SearchFields:
    """Fields of MDQFO.

    Attributes:
        ratio_count: clip ratios tried.
        ratio_low: smallest of them.
        p: exponent of the error.
        cos: "off", "channel" or "token".
        cos_weight: weight of the cosine term.
        ema: weight of earlier batches.
        search_batches: batches that the sample is split into.
        search_seed: of that split.
    """

    ratio_count: int | None = None
    ratio_low: float | None = None
    p: float | None = None
    cos: Cosine | None = None
    cos_weight: float | None = None
    ema: float | None = None
    search_batches: int | None = None
    search_seed: int | None = None
