"""A group's inputs as they are after a change of basis, computed where they are read.

What is exact: weights and token sample always; counts, extremes, means and moments under transforms that treat each channel
alone; the mean magnitude under those without a shift. Everything else is taken from the token sample: its rows stand for the
tokens, but a rare value that no kept row holds is unseen, so that ranges under a rotation may be a little too narrow.
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.modality import Modality, unslot
from morphoquant.methods.base import ChannelSummary, GroupInputs, TokenSample
from morphoquant.quant.transform import Identity, Transform


def in_basis(inputs: GroupInputs, transform: Transform) -> "GroupInputs | BasisInputs":
    """`inputs` as methods see them after `transform`; the very same ones where it changes nothing."""
    return inputs if isinstance(transform, Identity) else BasisInputs(inputs, transform)


def with_weights(inputs: "GroupInputs | BasisInputs", weights: Mapping[str, Tensor]) -> GroupInputs:
    """The names of `inputs` with other weights and no statistics."""
    return GroupInputs(inputs.group, inputs.component, inputs.block, inputs.role, weights)


class _Turned:
    """A token sample in another basis, which inputs and summary both read: if one held the other, they and their weights would go
    no sooner than with Python's next collection of cycles."""

    def __init__(self, inputs: GroupInputs, transform: Transform):
        self._inputs, self._transform = inputs, transform

    @cached_property
    def sample(self) -> TokenSample | None:
        given = self._inputs.sample
        return None if given is None else TokenSample(self._transform.input(given.x), given.slots, given.weights)

    def finite(self) -> TokenSample:
        return self.sample.finite()


class BasisInputs:
    """`GroupInputs` in another basis; the same attributes."""

    def __init__(self, inputs: GroupInputs, transform: Transform):
        self._inputs, self._transform, self._turned = inputs, transform, _Turned(inputs, transform)
        self.group, self.component, self.block, self.role = inputs.group, inputs.component, inputs.block, inputs.role

    @property
    def channels(self) -> int:
        return self._inputs.channels

    @property
    def gradients(self) -> Mapping[Modality, float] | None:
        # Of the outputs, which no basis of the input changes.
        return self._inputs.gradients

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        return {layer: self._transform.weight(w) for layer, w in self._inputs.weights.items()}

    @property
    def sample(self) -> TokenSample | None:
        return self._turned.sample

    @cached_property
    def summary(self) -> "BasisSummary":
        # A transform that mixes channels leaves nothing of their summary to read.
        given = None if self._transform.mixes else self._inputs.summary
        return BasisSummary(given, self._transform, self._turned.finite)


class BasisSummary:
    """`ChannelSummary` in another basis; the same attributes.

    Args:
        summary: before the transform; None where it mixes channels.
        transform: the change of basis.
        rows: gives the sample's rows after it.
    """

    def __init__(self, summary: ChannelSummary | None, transform: Transform, rows):
        self._summary, self._transform, self._rows = summary, transform, rows

    @cached_property
    def count(self) -> np.ndarray:
        if self._summary is None:
            return np.full(self._sampled.shape[1], np.rint(self._shares.sum()))
        return np.rint(self._linear(self._summary.count) / self._slope)

    @cached_property
    def min(self) -> np.ndarray:
        return self._extreme("min")

    @cached_property
    def max(self) -> np.ndarray:
        return self._extreme("max")

    @cached_property
    def mean(self) -> np.ndarray:
        if self._summary is None:
            return self._pooled(self._sampled)
        return self._moved(self._summary.mean)

    @cached_property
    def m2(self) -> np.ndarray:
        if self._summary is None:
            return self._pooled(np.square(self._sampled - self.mean)) * self._shares.sum()
        return self._linear(self._summary.m2) * self._slope

    @cached_property
    def mean_abs(self) -> np.ndarray:
        if self._summary is None or bool(self._constant.any()):
            return self._pooled(np.abs(self._sampled))
        return self._linear(self._summary.mean_abs)

    @cached_property
    def by_modality(self) -> dict[Modality, "BasisSummary"]:
        if self._summary is not None:
            given = self._summary.by_modality.items()
            return {modality: BasisSummary(one, self._transform, self._of(modality)) for modality, one in given}
        present = dict.fromkeys(unslot(int(label))[0] for label in self._rows().slots.unique())
        return {modality: BasisSummary(None, self._transform, self._of(modality)) for modality in present}

    def _of(self, modality: Modality):
        pooled = self._rows

        def rows() -> TokenSample:
            sample = pooled()
            keep = torch.tensor([unslot(int(label))[0] is modality for label in sample.slots], dtype=torch.bool)
            return TokenSample(sample.x[keep], sample.slots[keep], sample.weights[keep])

        return rows

    def _extreme(self, which: str) -> np.ndarray:
        if self._summary is None:
            rows = self._sampled
            return getattr(rows, which)(0) if len(rows) else np.zeros(rows.shape[1])
        seen = self._summary.count > 0
        moved = self._moved(getattr(self._summary, which))
        return moved if seen.all() else np.where(self.count > 0, moved, 0.0)

    # Under a transform of single channels any statistic that moves with the values is a row like any other.
    def _moved(self, row: np.ndarray) -> np.ndarray:
        return self._transform.input(torch.from_numpy(np.array(row, np.float64))).numpy()

    def _linear(self, row: np.ndarray) -> np.ndarray:
        return self._moved(row) - self._constant

    @cached_property
    def _constant(self) -> np.ndarray:
        return self._moved(np.zeros(len(self._summary.count)))

    @cached_property
    def _slope(self) -> np.ndarray:
        return self._linear(np.ones(len(self._summary.count)))

    @cached_property
    def _sampled(self) -> np.ndarray:
        return self._rows().x.double().numpy()

    @cached_property
    def _shares(self) -> np.ndarray:
        return self._rows().weights.numpy()

    def _pooled(self, rows: np.ndarray) -> np.ndarray:
        return self._shares @ rows / self._shares.sum() if len(rows) else np.zeros(rows.shape[1])
