"""The tokens of one layer input that a capture keeps, in the order in which they are shown: modality by modality."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.core.errors import StoreError
from morphoquant.core.layers import short_name
from morphoquant.core.modality import MODALITIES, POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.queries.layers import all_layers, group_row
from morphoquant.queries.modalities import where
from morphoquant.store.run import Run

_TABLES = ("token_sample", "shown_tokens")
_MAKE = "made by: python -m morphoquant capture --model demo, or, of another model, by its folder or hub id in place of demo"


@dataclass(frozen=True, eq=False)
class ShownTokens:
    """Kept rows of one layer input.

    Attributes:
        layer: first linear of its group.
        x: their values [n, K], float32.
        bands: a row for each modality and position class, in the order of `x`: modality, position, kept, seen (tokens that
            reached the input).
        tap: where they were taken and which they are, as sentences of a caption.
    """

    layer: str
    x: np.ndarray
    bands: pd.DataFrame
    tap: str


def inputs_with_tokens(capture: Run) -> list[str]:
    """Inputs of which the run keeps tokens, by the first linear of their group, sorted."""
    name = _table_of(capture)
    return [] if name is None else sorted(capture.table(name, ["group"])["group"].unique().to_pylist())


def shown_tokens(capture: Run, selection: Selection, layer: str) -> ShownTokens:
    """Reads the kept rows of the input of `layer` of the selected modalities and position classes.

    Modalities stand in the order of the selection, else of all legends; in each the first tokens of sequences before the
    others, then by the hash that chose them: their place in the sequence is not kept.

    Raises:
        StoreError: the run keeps no tokens, none of this input, or none that match.
        UnknownNameError: no such layer.
    """
    group = str(group_row(capture, layer)["group"])
    name = _table_of(capture)
    if name is None:
        raise StoreError(
            f"run {capture.run_id!r} keeps no sample of tokens, which this figure shows; a capture of your own does, {_MAKE}."
        )
    table = capture.table(name, where={**where(selection), "group": group})
    if not table.num_rows:
        raise StoreError(_none_of(capture, group))
    order = list(map(str, selection.modalities or MODALITIES))
    keys = pd.DataFrame({key: table[key].cast(pa.string()).to_pandas() for key in ("modality", "position")})
    ranks = [table["priority"].to_numpy()]
    ranks += [keys["position"].map(list(map(str, POSITIONS)).index), keys["modality"].map(order.index)]
    place = np.lexsort(ranks)
    x = table["values"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(keys), -1)[place]
    bands = keys.iloc[place].groupby(["modality", "position"], sort=False).size().rename("kept").reset_index()
    counts = capture.frame("channel_stats", ["modality", "position", "count"], {"group": group, "channel": 0})
    bands = bands.merge(counts.rename(columns={"count": "seen"}), on=["modality", "position"], how="left")
    return ShownTokens(group, x, bands, _tap(capture, group, bands, rounded=name != _TABLES[0]))


def _table_of(capture: Run) -> str | None:
    return next((name for name in _TABLES if capture.has(name)), None)


def _none_of(capture: Run, group: str) -> str:
    kept = inputs_with_tokens(capture)
    if group in kept:
        return f"run {capture.run_id!r} keeps no such token of {group!r}: take in more modalities, or the first token."
    offered = f"{', '.join(kept[:8])}{' ...' if len(kept) > 8 else ''}"
    return f"run {capture.run_id!r} keeps no token of {group!r}: choose one of {offered}, or a capture of your own, {_MAKE}."


def _tap(capture: Run, group: str, bands: pd.DataFrame, rounded: bool) -> str:
    layers = all_layers(capture)
    own = layers[layers["group"] == group]
    first, others = own[own["layer"] == group].iloc[0], own[own["layer"] != group]["layer"]
    shared = f", shared with {', '.join(map(short_name, others))}" if len(others) else ""
    block = "" if pd.isna(first["block"]) else f" block {first['block']},"
    named = [f"{row.modality}{' first' if row.position == 'first' else ''}" for row in bands.itertuples()]
    counts = ", ".join(f"{name} {row.kept:,} of {int(row.seen):,}" for name, row in zip(named, bands.itertuples(), strict=True))
    return (
        f"Tap: the input of {group} ({first['component']},{block} {first['in_features']:,} channels{shared}) in full "
        f"precision, of run {capture.run_id}. Tokens of the calibration data, drawn by a seeded hash with equal chances within "
        f"each modality and position class: {counts}{'; values rounded to 11 significant bits' if rounded else ''}."
    )
