"""From a capture run to what a method is handed: summaries of all groups at once, and one group's inputs at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import nn

from morphoquant.core.errors import ModelError
from morphoquant.core.layers import Component
from morphoquant.core.modality import MODALITIES, Modality, Position, slot
from morphoquant.methods.base import ChannelSummary, GroupInputs, Need, TokenSample
from morphoquant.quant.experts import experts_apart
from morphoquant.quant.residence import HALF, weight_of
from morphoquant.runs.gradient_run import stored_gradients
from morphoquant.runs.gradients import Gradients
from morphoquant.stats.moments import Moments, pool
from morphoquant.store.run import Run

_COLUMNS = ["group", "modality", "channel", "count", "nan_count", "inf_count", "min", "max", "mean", "m2", "m3", "m4", "sum_abs"]
# Channels whose statistics are read at once.
_CHANNELS = 50_000


class CalibrationInputs:
    """What one capture run says of the groups in scope.

    Args:
        run: a finished capture run.
        model: the model it was taken from, for the weights.
        scope: components to quantise.

    Attributes:
        unseen: linears in scope whose input saw no token, those of experts that none was routed to; they are not fitted.

    Raises:
        ModelError: the model lacks a captured linear, or nothing is in scope.
    """

    def __init__(self, run: Run, model: nn.Module, scope: Collection[Component]):
        self.run, self.model = run, model
        layers = run.frame("layers")
        layers = layers[layers["component"].isin([str(part) for part in scope])]
        if layers.empty:
            raise ModelError(f"run {run.run_id!r} captured no linear of {', '.join(scope)}: choose another scope.")
        with experts_apart(model):
            modules = dict(model.named_modules())
        missing = [name for name in layers["layer"] if not isinstance(modules.get(name), nn.Linear)]
        if missing:
            raise ModelError(
                f"this model has no linear {missing[0]!r}, run {run.run_id!r} has one: "
                "load the model of that run, or capture this one."
            )
        self._modules = modules
        self.summaries: dict[str, ChannelSummary] = {}
        tokens = []
        for groups in _slices(layers):
            frame = run.frame("channel_stats", [*_COLUMNS, "position"], {"group": groups})
            tokens.append(frame[frame["channel"] == 0].set_index(["group", "modality", "position"])["count"])
            self.summaries |= _summaries(frame, groups)
        self._tokens = pd.concat(tokens)
        seen = layers["group"].isin(self.summaries.keys())
        self.unseen = list(layers.loc[~seen, "layer"])
        self.layers = layers = layers[seen]
        self._members = {group: list(rows["layer"]) for group, rows in layers.groupby("group", sort=False)}

    @cached_property
    def copies(self) -> bool:
        """Whether weights are read anew for each fit: from where they are offloaded, from half precision or from a device."""
        return any(one.dtype in HALF or one.device.type != "cpu" for one in self.model.parameters())

    @property
    def groups(self) -> list[str]:
        """Names of the groups in scope, in the order they ran."""
        return list(self._members)

    def group(self, name: str, needs: Collection[Need]) -> GroupInputs:
        """The inputs of one group; the token sample and the gradients are read only when they are needed.

        Raises:
            ModelError: gradients are needed, and none were measured for this capture; or tokens are, and hold NaN.
        """
        first = self.layers[self.layers["layer"] == name].iloc[0]
        # Tokens and summaries are in main memory, and methods search there, wherever the model runs.
        weights = {layer: weight_of(self._modules[layer]).cpu() for layer in self._members[name]}
        return GroupInputs(
            group=name,
            component=Component(first["component"]),
            block=None if pd.isna(first["block"]) else int(first["block"]),
            role=first["role"],
            weights=weights,
            summary=self.summaries[name] if set(needs) - {Need.SAMPLE, Need.GRADIENTS} else None,
            sample=self._sample(name) if Need.SAMPLE in needs else None,
            gradients=self.gradients.ratios_of(name) if Need.GRADIENTS in needs else None,
        )

    @cached_property
    def gradients(self) -> Gradients:
        """Those measured for the capture.

        Raises:
            ModelError: there are none.
        """
        return stored_gradients(self.run)

    def _sample(self, group: str) -> TokenSample:
        table = self.run.table("token_sample", where={"group": group})
        keys = list(zip(table["modality"].to_pylist(), table["position"].to_pylist(), strict=True))
        kept = pd.Series(keys).value_counts()
        weights = [self._tokens[(group, *key)] / kept[key] for key in keys]
        values = table["values"].combine_chunks()
        x = values.flatten().to_numpy(zero_copy_only=False).reshape(len(keys), -1)
        if not np.isfinite(x).all():
            raise ModelError(
                f"the kept tokens of {group} hold NaN or infinite values, so no method that looks at tokens is fitted to run "
                f"{self.run.run_id}: leave out the samples that they come from, or run the model in float32."
            )
        slots = [slot(Modality(modality), Position(position)) for modality, position in keys]
        return TokenSample(
            torch.from_numpy(x.copy()), torch.tensor(slots, dtype=torch.int8), torch.tensor(weights, dtype=torch.float64)
        )


def _slices(layers: pd.DataFrame) -> Iterator[list[str]]:
    """Groups in order, as many at a time as have `_CHANNELS` channels: the rows of all of a large model's take gigabytes."""
    some, channels = [], 0
    for group, width in layers.drop_duplicates("group")[["group", "in_features"]].itertuples(index=False):
        some.append(group)
        channels += width
        if channels >= _CHANNELS:
            yield some
            some, channels = [], 0
    if some:
        yield some


def _summaries(frame: pd.DataFrame, groups: Sequence[str]) -> dict[str, ChannelSummary]:
    """Of those of `groups` that have rows, in their order."""
    frame["finite"] = frame["count"] - frame["nan_count"] - frame["inf_count"]
    by_group = dict(iter(frame.groupby("group", sort=False)))
    summaries = {}
    for group in groups:
        if group in by_group:
            rows = by_group[group]
            by_modality = {Modality(name): _pool(part) for name, part in rows.groupby("modality", sort=False)}
            ordered = {modality: by_modality[modality] for modality in MODALITIES if modality in by_modality}
            summaries[group] = _pool(rows, ordered)
    return summaries


def _pool(rows: pd.DataFrame, by_modality: Mapping[Modality, ChannelSummary] | None = None) -> ChannelSummary:
    """Pools the slots of one group, for each channel."""
    channels = int(rows["channel"].max()) + 1
    shape = (-1, channels)
    ordered = rows.sort_values(["modality", "position", "channel"], kind="stable")
    cells = {name: ordered[name].to_numpy().reshape(shape) for name in (*_COLUMNS[6:], "finite")}
    some = cells["finite"] > 0
    moments = pool(Moments(cells["finite"], *(np.where(some, cells[name], 0.0) for name in ("mean", "m2", "m3", "m4"))))
    count = moments.count
    present = count > 0
    low = np.where(some, cells["min"], np.inf).min(axis=0)
    high = np.where(some, cells["max"], -np.inf).max(axis=0)
    sum_abs = np.where(some, cells["sum_abs"], 0.0).sum(axis=0)
    return ChannelSummary(
        count=count,
        min=np.where(present, low, 0.0).astype(np.float64),
        max=np.where(present, high, 0.0).astype(np.float64),
        mean_abs=np.divide(sum_abs, count, out=np.zeros(channels), where=present),
        mean=np.where(present, moments.mean, 0.0),
        m2=np.where(present, moments.m2, 0.0),
        by_modality=by_modality or {},
    )
