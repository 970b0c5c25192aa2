"""MorphoModal: MorphoQuant that looks at modalities and keeps to a budget."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from morphoquant.core.errors import SpecError
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, ChannelSummary, GroupFit, GroupInputs, Need
from morphoquant.methods.modalities import families
from morphoquant.methods.morpho.assembly import Parts
from morphoquant.methods.morpho.method import MaskFields, MorphoMethod
from morphoquant.methods.morpho.modal import Balance, Choices, Masks
from morphoquant.methods.morpho.modal_fit import fit_modal, population_of
from morphoquant.methods.morpho.settings import Settings
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import require_range


@dataclass(frozen=True, kw_only=True)
class MorphoModal(MaskFields, MorphoMethod):
    """Searches grids for all modalities alike, masks what any of them disperses, bypasses within a budget.

    Idea: an image's tokens outnumber those of its question; here each modality has one vote. The bypass goes where it saves most.

    Formula: (r_c, limit_c) = argmin sum_c |W_c|^p sum_m mean_{t in m} |xhat_tc - x_tc|^p, mean_c P(x_tc bypasses) <= budget;
        with two_level, beta_m then does so for the rows of m alone, on edges beta_m [low_c, high_c]. W_c: the weights' column.

    Needs: extremes and mean magnitude of each channel, by modality unless masks=pooled; a token sample.
    Cost: up to nine searches of MorphoQuant over the masked channels; at inference a sparse product within the budget. two_level
        and masks=each must know the modality of every row; fold makes all integers, which is else simulated.
    Fails when: a modality has few sampled rows, as its vote is full all the same; with fold when steps differ widely between
        channels, as the weight's columns then do too.

    Source: our own, on MorphoQuant (arXiv 2606.04349): modality weights after MBQ (arXiv 2412.19509), ratios of 1.

    Attributes:
        ratio_count: clip ratios tried.
        ratio_low: smallest of them.
        p: exponent of the error.
        balance: votes in the search, "equal" or by "tokens".
        masks: outlier channels of all tokens ("pooled"), of any modality ("union"), or of "each".
        bypass_budget: largest share of a group's values that may bypass; 1 leaves it to lam.
        two_level: one factor a modality on all edges.
        fold: multiplies the steps into the weights before these are rounded.
    """

    ratio_count: int | None = None
    ratio_low: float | None = None
    p: float | None = None
    balance: Balance = "equal"
    masks: Masks = "union"
    bypass_budget: float = 0.01
    two_level: bool = False
    fold: bool = False

    name: ClassVar[str] = "morphomodal"
    parts: ClassVar[Parts] = Parts(masks=True, searches=True)

    def __post_init__(self):
        super().__post_init__()
        require_range(self.name, "bypass_budget", self.bypass_budget, 0, 1)

    def settings(self) -> Settings:
        """Those of MorphoQuant; the error alone is searched for, over the whole sample at once."""
        return replace(super().settings(), cos="off", search_batches=1, ema=0.0)

    @property
    def needs(self) -> frozenset[Need]:
        return self.parts.needs | (frozenset() if self.masks == "pooled" else {Need.MODALITIES})

    @property
    def finds(self) -> frozenset[Part]:
        return frozenset({Part.ACTIVATION, Part.TRANSFORM} if self.fold else {Part.ACTIVATION})

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError unless ranges of channels have a use, and steps where they are folded or levelled."""
        super().check(spec)
        if spec.quantises_activations and spec.a_format != "int" and (self.fold or self.two_level):
            raise SpecError(
                f'{self.name} with fold or two_level changes steps of integers and cannot honour "{spec.activation_suffix}" in '
                f"{str(spec)!r}: leave them out, or use rtn."
            )

    def survey(self, summaries: Mapping[str, ChannelSummary]) -> dict[Modality | None, np.ndarray] | None:
        """Scores of all layers by modality, None where masks look at one layer at a time."""
        by_modality = (lambda summary: {}) if self.masks == "pooled" else families
        return population_of(summaries.values(), self.settings(), by_modality)

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: dict | None = None) -> GroupFit:
        """Fits one group; see `morpho/modal_fit.py`."""
        self.check(spec)
        choices = Choices(self.balance, self.masks, self.bypass_budget, self.two_level)
        return fit_modal(inputs, spec, survey, self.settings(), choices, self.fold)


METHODS.add("morphomodal", MorphoModal)
