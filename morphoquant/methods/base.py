"""What a method is: it looks at statistics of the inputs and finds a quantiser, a correction and weights for each group.

A group are the linears that share one input. Methods run no model and hook nothing: they declare what they need, the
runner hands it over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.layers import Component
from morphoquant.core.modality import Modality
from morphoquant.core.registry import Registry
from morphoquant.core.spec import QuantSpec
from morphoquant.quant.activation import ActivationQuantizer
from morphoquant.quant.bypass import Bypass
from morphoquant.quant.low_rank import LowRank
from morphoquant.quant.transform import Identity, Transform


class Need(StrEnum):
    """A part of `GroupInputs` that costs something to measure. Weights, names and widths are always there."""

    EXTREMES = "extremes"  # summary.count, .min, .max
    MEAN_ABS = "mean_abs"  # summary.mean_abs
    MOMENTS = "moments"  # summary.mean, .m2
    MODALITIES = "modalities"  # summary.by_modality
    SAMPLE = "sample"  # sample
    GRADIENTS = "gradients"  # gradients
    BLOCKS = "blocks"  # whole sequences through blocks, methods/blocks.py; never read by `Method.fit`


@dataclass(frozen=True, eq=False)
class ChannelSummary:
    """Statistics of one input over all calibration tokens, one entry a channel, float64 [K].

    Channels without a finite value have count 0 and zeros elsewhere.

    Attributes:
        count: finite values.
        min: smallest value.
        max: largest value.
        mean_abs: mean magnitude.
        mean: arithmetic mean.
        m2: sum of squared deviations from the mean.
        by_modality: the same of each modality that is present, position classes pooled; empty inside itself.
    """

    count: np.ndarray
    min: np.ndarray
    max: np.ndarray
    mean_abs: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    by_modality: Mapping[Modality, "ChannelSummary"] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TokenSample:
    """Rows of one input, drawn by slot and weighted so that they stand for the natural mixture of tokens.

    Attributes:
        x: rows [n, K], float32.
        slots: slot of each row [n], int8 (core.modality.slot).
        weights: tokens that a row stands for [n], float64.
    """

    x: Tensor
    slots: Tensor
    weights: Tensor

    def finite(self) -> "TokenSample":
        """The rows without NaN or infinity."""
        keep = torch.isfinite(self.x).all(1)
        return self if bool(keep.all()) else TokenSample(self.x[keep], self.slots[keep], self.weights[keep])


@dataclass(frozen=True, eq=False)
class GroupInputs:
    """All that a method sees of a group.

    Attributes:
        group: name of the first linear that received the input.
        component: part of the model.
        block: index of the decoder or encoder block, None outside blocks.
        role: last part of the group's path, such as "down_proj".
        weights: full-precision weight of each linear [out, K].
        summary: statistics of the input, None if no declared need asks for it.
        sample: rows of the input, None if `Need.SAMPLE` is not declared.
        gradients: rho of each modality, how far the loss of the answers depends on one of its tokens against one of the answers'
            (`runs/gradients.py`), at the end of the group's half of a block; None if `Need.GRADIENTS` is not declared.
        found: fits of the group by methods that look at no other, by method and spec; a combination takes its parts from here.
    """

    group: str
    component: Component
    block: int | None
    role: str
    weights: Mapping[str, Tensor]
    summary: ChannelSummary | None = None
    sample: TokenSample | None = None
    gradients: Mapping[Modality, float] | None = None
    found: "dict[tuple[Method, QuantSpec], GroupFit]" = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """K, width of the input."""
        return next(iter(self.weights.values())).shape[1]


@dataclass(frozen=True, eq=False)
class GroupFit:
    """What a method found for a group; `quant.linear.quantized` takes a mapping of these.

    Attributes:
        group: name of the group.
        weights: quantised weight of each linear [out, K]; the very tensor of the inputs where nothing is quantised.
        activation: quantiser of the input, None for full precision.
        correction: sparse correction, None for none.
        transform: change of basis before quantisation; quantiser, correction, weights and columns are those of its basis.
        branches: low-rank branch of each linear that has one.
        by_modality: fits of the rows of some modalities, without fits by modality of their own; all other rows are quantised as
            this fit says. Equal weights are one tensor.
        columns: the grids table's columns but `group`, one entry a channel; None where there is no static grid that all rows
            share. Absent values are NaN here and null in the table.
        bypass_density: share of the input's values, over the token sample, that the correction keeps in full precision;
            None without a correction or a sample.
        extra_weight_bits: storage of the weights beyond what the spec's format takes, over all linears.
        seconds: time that the search took; 0 where nobody looked at the clock.
    """

    group: str
    weights: Mapping[str, Tensor]
    activation: ActivationQuantizer | None = None
    correction: Bypass | None = None
    transform: Transform = field(default_factory=Identity)
    branches: Mapping[str, LowRank] = field(default_factory=dict)
    by_modality: Mapping[Modality, "GroupFit"] = field(default_factory=dict)
    columns: dict[str, np.ndarray] | None = None
    bypass_density: float | None = None
    extra_weight_bits: float = 0.0
    seconds: float = 0.0


class Method(Protocol):
    """A frozen dataclass whose fields are the method's options, all with defaults.

    For combinations a method may also say what it `finds` (`methods/parts.py`), and with `mixes = True` that its transform mixes
    channels; with `matrices(role)` how many square matrices of the input's width, in float64, a fit holds, and if it learns many
    weights together with `holds` what that takes (`methods/blocks.py`), both for `runs/least.py`.
    """

    @property
    def name(self) -> str:
        """Registered name."""

    @property
    def needs(self) -> frozenset[Need]:
        """What `survey` and `fit` read."""

    def options(self) -> dict[str, Any]:
        """Every field with the value in effect, JSON-ready; equal options give equal fits."""

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError if the method cannot honour `spec`; called before the model runs."""

    def survey(self, summaries: Mapping[str, ChannelSummary]) -> object | None:
        """What must be known of all groups in scope before one is fitted; None for nothing."""

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None) -> GroupFit:
        """Finds the parameters of one group."""


# The classes by name; `methods/catalog.py` fills it from the files of this folder.
METHODS: Registry[type[Method]] = Registry("method")
