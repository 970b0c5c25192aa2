"""What a prediction without the model starts from: channel statistics and histograms, read once and kept by the caller."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.histograms import layers_with_histograms
from morphoquant.queries.layers import PLACE, groups
from morphoquant.queries.what_if_parts import (
    COLUMNS,
    Part,
    Statistics,
    coarse_part,
    fine_rows,
    kept_group,
    layer_statistics,
    refined,
)
from morphoquant.stats.bins import SIGN_BINS, bin_edges
from morphoquant.store.run import Run

# Histogram rows that are kept at once: the embedded model has 0.75 million, which take 0.25 GB.
MOST_ROWS = 2_000_000
_JOIN, PER_OCTAVE = 4, 16
_GROUPS_READ = 12


@dataclass(frozen=True, eq=False)
class WhatIfInputs:
    """Everything about some layer inputs that a prediction needs.

    Attributes:
        layers: a row for each input: layer, label, component, role, block, order, in_features.
        starts: number of the first channel of each layer, and the end, int64 [layers + 1].
        count: finite values of each channel over all modalities and positions [K].
        low: smallest of them; 0 where there is none [K].
        high: largest, likewise.
        mean_abs: mean magnitude, likewise.
        parts: histograms by modality and position; what the second part counts is not counted in the first.
        pooled: one histogram row a channel, over all modalities and positions, on wide bins: what a search looks at.
    """

    layers: pd.DataFrame
    starts: np.ndarray
    count: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean_abs: np.ndarray
    parts: tuple[Part, ...]
    pooled: object

    def of(self, index: int) -> slice:
        """The channels of one layer."""
        return slice(int(self.starts[index]), int(self.starts[index + 1]))


def layer_inputs(capture: Run, layer: str) -> WhatIfInputs:
    """The input of one linear, in full resolution.

    Raises:
        StoreError: the run keeps no histogram of it.
        UnknownNameError: no such layer.
    """
    stats = layer_statistics(capture, kept_group(capture, layer))
    coarse = coarse_part(stats, capture.table("histograms", COLUMNS, {"group": list(stats.place)}))
    into, edges, octave = _joined_bins()
    pooled = coarse.rows.pooled(int(stats.starts[-1]), octave, onto=(into, edges))
    parts = refined(stats, coarse, fine_rows(capture, stats))
    return WhatIfInputs(stats.places[[*PLACE, "in_features"]], stats.starts, *stats.pooled, parts, pooled)


def model_inputs(capture: Run, selection: Selection) -> WhatIfInputs:
    """All inputs of the selected component whose histograms the run keeps, four bins joined to one.

    Raises:
        StoreError: the run keeps no histograms of it, or too many to hold at once.
    """
    places = groups(capture, replace(selection, role=None))
    kept = layers_with_histograms(capture)
    places = places[places["layer"].isin(kept)].reset_index(drop=True)
    if places.empty:
        raise StoreError(f"run {capture.run_id!r} keeps no histograms of this part: choose another part, or capture anew.")
    rows = histogram_rows(capture, selection)
    if rows > MOST_ROWS:
        raise StoreError(
            f"{rows / 1e6:.1f} million channel histograms do not fit at once, {MOST_ROWS / 1e6:.0f} million do: choose one part "
            "of the model, or look at single layers."
        )
    stats = Statistics(capture, places)
    into, edges, octave = _joined_bins()
    found = []
    for start in range(0, len(places), _GROUPS_READ):
        names = list(places["layer"][start : start + _GROUPS_READ])
        part = coarse_part(stats, capture.table("histograms", COLUMNS, {"group": names}))
        found.append(replace(part, rows=part.rows.joined(into, edges), counts=None))
    rows = type(found[0].rows).together([part.rows for part in found])
    keys = (np.concatenate([getattr(part, name) for part in found]) for name in ("layer", "modality", "position"))
    pooled = rows.pooled(int(stats.starts[-1]), octave)
    return WhatIfInputs(places[[*PLACE, "in_features"]], stats.starts, *stats.pooled, (Part(rows, *keys),), pooled)


def histogram_rows(capture: Run, selection: Selection) -> int:
    """How many channel histograms the selected component has, by the width of its inputs; all of the run's if none is chosen."""
    if not capture.has("histograms"):
        return 0
    everything = int(capture.header.tables["histograms"])
    if not selection.component:
        return everything
    kept = layers_with_histograms(capture)
    places = groups(capture, Selection())
    places = places[places["layer"].isin(kept)]
    own = places[places["component"] == str(selection.component)]
    return int(everything * own["in_features"].sum() / max(1, places["in_features"].sum()))


def _joined_bins() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The joined bin of each bin, the edges of the joined bins, and their octaves."""
    place = np.arange(SIGN_BINS)
    one_sign = np.where(place == 0, 0, 1 + (place - 1) // _JOIN)
    into = np.concatenate([one_sign, one_sign[-1] + 1 + one_sign])
    edges, found = bin_edges(), np.empty((into[-1] + 1, 2))
    found[:, 0], found[:, 1] = np.inf, -np.inf
    np.minimum.at(found[:, 0], into, edges[:, 0])
    np.maximum.at(found[:, 1], into, edges[:, 1])
    one_sign = np.unique(one_sign)
    octave = np.where(one_sign == 0, 0, 1 + (one_sign - 1) // (PER_OCTAVE // _JOIN))
    return into, found, np.tile(octave, 2)
