"""Predictions as the tidy frames that figures draw."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.modality import MODALITIES, POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.queries.decibels import sqnr_db
from morphoquant.queries.histograms import with_values
from morphoquant.queries.layers import PLACE
from morphoquant.queries.modalities import ordered, where
from morphoquant.queries.placement import placement_of, shown_channel, use_rows
from morphoquant.queries.what_if import Prediction, layer_sums
from morphoquant.queries.what_if_runs import measured_db
from morphoquant.stats.bins import BIN_COUNT
from morphoquant.store.run import Run

MODEL_MEASURES = {
    "sqnr_db": lambda sums: sqnr_db(sums["signal_sq"], sums["error_sq"]),
    "clip_share": lambda sums: (100.0 * sums["clip_sq"] / sums["error_sq"]).where(sums["error_sq"] > 0),
    "bypassed": lambda sums: 100.0 * sums["bypassed"] / sums["values"],
}


def grid_frame(prediction: Prediction, selection: Selection) -> pd.DataFrame:
    """The grid of one channel over its distribution, in the parts of `queries.placement.grid_placement`.

    Args:
        prediction: of one layer.
        selection: its modalities, positions and channel.
    """
    layer = str(prediction.inputs.layers["layer"].iat[0])

    grids = grid_table(prediction)
    channel = shown_channel(grids, layer, selection.channel)
    counts = _bin_counts(prediction, selection, channel)

    def uses(shown: pd.DataFrame) -> pd.DataFrame:
        sums = layer_sums(prediction, selection, channel)
        rows = []
        for row in sums.itertuples():
            rows += [(row.modality, "clipped %", 100.0 * row.clipped / row.values)]
            rows += [(row.modality, "bypassed %", 100.0 * row.bypassed / row.values)] if prediction.settings.bypass else []
        return use_rows(rows, shown)

    frame = placement_of(grids, channel, counts, selection, uses)
    edges = frame[frame["part"] == "edge"].set_index("name")["value"]
    moved = any(edges[f"base {side}"] != edges[side] for side in ("low", "high"))
    return frame if moved else frame[~frame["name"].isin(["base low", "base high"])].reset_index(drop=True)


def grid_table(prediction: Prediction) -> pd.DataFrame:
    """The grids of one layer, a row a channel, with the columns of the table `grids`."""
    placed, grids = prediction.placed, prediction.placed.grids
    return pd.DataFrame(
        dict(
            group=str(prediction.inputs.layers["layer"].iat[0]),
            channel=np.arange(len(placed.score)),
            score=placed.score if prediction.settings.bypass else np.nan,
            masked=placed.masked,
            base_low=placed.base_low,
            base_high=placed.base_high,
            low=placed.base_low * placed.ratio,
            high=placed.base_high * placed.ratio,
            step=grids.step,
            zero_point=grids.zero,
            code_low=grids.code_low,
            code_high=grids.code_high,
            bypass_limit=np.where(placed.masked, np.maximum(grids.limit, 0.0), np.nan),
        )
    )


def mask_frame(prediction: Prediction) -> pd.DataFrame:
    """Dispersion scores of one layer's channels.

    Returns:
        layer, rank (1 is the highest score), channel, score, masked (whether the setting's bypass takes it), limit (score from
        which on a channel is an outlier). Channels without values have no row.

    Raises:
        StoreError: no channel has a score.
    """
    placed = prediction.placed
    frame = pd.DataFrame(dict(channel=np.arange(len(placed.score)), score=placed.score, masked=placed.masked))
    frame = frame[np.isfinite(placed.score)].sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    if frame.empty:
        raise StoreError("no channel of this input has seen a finite value: choose another layer.")
    layer = str(prediction.inputs.layers["layer"].iat[0])
    frame = frame.assign(layer=layer, rank=np.arange(1, len(frame) + 1), limit=float(placed.limit_score[0]))
    return frame[["layer", "rank", "channel", "score", "masked", "limit"]]


def split_frame(sums: pd.DataFrame, selection: Selection, run: Run | None = None) -> pd.DataFrame:
    """Predicted errors of one layer by modality, beside what `run` measured.

    Args:
        sums: from `queries.what_if.layer_sums` or `queries.what_if_tokens.token_sums`.
        selection: what they were taken of.
        run: measured, absent if there is none.

    Returns:
        layer, modality, values, sqnr_db, clip_nmse, round_nmse (squared error over signal from clipped and from rounded values),
        clip_share_percent (of the error; null without error), clipped_percent and bypassed_percent (of the values), measured_db
        and difference_db (predicted less measured; null where nothing is measured).
    """
    frame = sums[["layer", "modality", "values"]].assign(sqnr_db=sqnr_db(sums["signal_sq"], sums["error_sq"]))
    signal = sums["signal_sq"].where(sums["signal_sq"] > 0)
    frame["clip_nmse"] = sums["clip_sq"] / signal
    frame["round_nmse"] = (sums["error_sq"] - sums["clip_sq"]) / signal
    frame["clip_share_percent"] = MODEL_MEASURES["clip_share"](sums)
    for name in ("clipped", "bypassed"):
        frame[f"{name}_percent"] = 100.0 * sums[name] / sums["values"]
    frame = _with_measured(frame, run, selection)
    return ordered(frame.assign(values=frame["values"].round().astype(np.int64)), selection)


def model_frame(prediction: Prediction, selection: Selection, measure: str, run: Run | None = None) -> pd.DataFrame:
    """A predicted measure over layers, and what `run` measured of it.

    Args:
        prediction: of many layers.
        selection: its modalities and positions.
        measure: of `MODEL_MEASURES`: "sqnr_db" of the input, "clip_share" (percent of the error), "bypassed" (percent of the
            values).
        run: measured, absent if there is none.

    Returns:
        layer, label, component, role, block, order, modality, value, stage ("predicted" or, for the SQNR, "measured"),
        label_run.

    Raises:
        UnknownNameError: no such measure.
    """
    if measure not in MODEL_MEASURES:
        raise UnknownNameError("measure", measure, MODEL_MEASURES)
    sums = layer_sums(prediction, selection)
    frame = sums[["layer", "modality"]].assign(
        value=MODEL_MEASURES[measure](sums), stage="predicted", label_run="from histograms"
    )
    if measure == "sqnr_db" and run is not None:
        found = measured_db(run, selection).rename(columns={"measured_db": "value"})
        found = found[found["layer"].isin(frame["layer"])]
        frame = pd.concat([frame, found.assign(stage="measured", label_run=f"{run.plan.method} {run.plan.spec}")])
    frame = frame[np.isfinite(frame["value"].to_numpy(float))].merge(prediction.inputs.layers[PLACE], on="layer")
    return ordered(frame[[*PLACE, "modality", "value", "stage", "label_run"]], selection, "order")


def differences(frame: pd.DataFrame) -> pd.DataFrame:
    """How far predictions are from measurements, of the frame of `model_frame` for the SQNR.

    Returns:
        layer, label, modality, difference_db (predicted less measured) of what has both, the farthest first.
    """
    wide = frame.pivot(index=["layer", "label", "modality"], columns="stage", values="value")
    if "measured" not in wide:
        return pd.DataFrame(columns=["layer", "label", "modality", "difference_db"])
    found = (wide["predicted"] - wide["measured"]).rename("difference_db").dropna().reset_index()
    return found.sort_values("difference_db", key=abs, ascending=False, kind="stable").reset_index(drop=True)


def _with_measured(frame: pd.DataFrame, run: Run | None, selection: Selection) -> pd.DataFrame:
    if run is None:
        return frame.assign(measured_db=np.nan, difference_db=np.nan)
    found = measured_db(run, selection, str(frame["layer"].iat[0]) if len(frame) else None)
    frame = frame.merge(found, on=["layer", "modality"], how="left")
    return frame.assign(difference_db=frame["sqnr_db"] - frame["measured_db"])


def _bin_counts(prediction: Prediction, selection: Selection, channel: int) -> dict[str, np.ndarray]:
    """Values of one channel in each bin, by modality.

    Raises:
        StoreError: none for this selection, or none that is finite.
    """
    wanted, part = where(selection), prediction.inputs.parts[0]
    found: dict[str, np.ndarray] = {}
    for row in np.flatnonzero(part.rows.channel == channel):
        modality, position = str(MODALITIES[part.modality[row]]), str(POSITIONS[part.position[row]])
        if position not in wanted["position"] or modality not in wanted.get("modality", [modality]):
            continue
        own = slice(part.rows.offsets[row], part.rows.offsets[row + 1])
        total = found.setdefault(modality, np.zeros(BIN_COUNT, np.int64))
        total[part.rows.bins[own]] += part.counts[own].astype(np.int64)
    if not found:
        raise StoreError("no token matches the selection: include more modalities, or both position classes.")
    return with_values(found)
