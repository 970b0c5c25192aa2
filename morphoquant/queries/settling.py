"""How much of their final range the channels had reached after a part of the samples: is the calibration set enough?"""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.layers import PLACE, groups
from morphoquant.queries.modalities import ordered, where
from morphoquant.store.run import Run

_SUMS = ["tokens", "channels", "reached", "lagging"]


def settling(run: Run, selection: Selection) -> pd.DataFrame:
    """Share of the final range of the channels, by modality, while samples come in.

    Of a channel the range is its largest magnitude, and its share what it was over what it is in the end; an input's number is
    the mean over its channels.

    Args:
        run: a capture run that keeps the table.
        selection: component, role, modalities and positions.

    Returns:
        modality, samples (of all kinds, seen so far), holding (those of them that hold the modality), tokens (most that an input
        saw), value (percent, mean over the inputs), low and high (tenth and ninetieth percentile of the inputs). The last row of
        a modality is 100 by definition. By modality, then samples.

    Raises:
        StoreError: the run does not keep the table, or nothing of the selection is in it.
    """
    frame = _by_input(run, selection)
    by_modality = frame.groupby(["modality", "samples"], sort=False)
    found = by_modality["value"].agg(
        value="mean", low=lambda rows: np.percentile(rows, 10), high=lambda rows: np.percentile(rows, 90)
    )
    found["tokens"] = by_modality["tokens"].max()
    found = found.reset_index()
    held = run.frame("tokens", ["sample", "modality"]).drop_duplicates()
    found["holding"] = [
        int(((held["modality"] == modality) & (held["sample"] < samples)).sum())
        for modality, samples in zip(found["modality"], found["samples"], strict=True)
    ]
    columns = ["modality", "samples", "holding", "tokens", "value", "low", "high"]
    return ordered(found.sort_values("samples", kind="stable"), selection)[columns]


def still_rising(run: Run, selection: Selection) -> pd.DataFrame:
    """By how much the second half of the samples widened each input's channels.

    Returns:
        layer, label, component, role, block, order, modality, tokens (of all samples), half_tokens, lagging (percent of channels
        that half of the samples left below nine tenths of their final range), value (percent of the final range that the second
        half added, mean over the channels). In the order of the model.

    Raises:
        StoreError: as `settling`; or the capture saw one sample alone.
    """
    frame = _by_input(run, selection)
    samples = sorted(frame["samples"].unique())
    if len(samples) < 2:
        raise StoreError(f"run {run.run_id!r} saw {samples[0]} sample: capture more of them to see ranges settle.")
    half, whole = (frame[frame["samples"] == count] for count in samples[-2:])
    keys = ["layer", "modality"]
    found = whole.merge(half[[*keys, "tokens", "value", "lagging"]], on=keys, how="left", suffixes=("", "_half"))
    # What the first half did not hold had reached nothing.
    found["half_tokens"] = found["tokens_half"].fillna(0).astype(int)
    found["lagging"] = 100.0 * found["lagging_half"].fillna(found["channels"]) / found["channels"]
    found["value"] = 100.0 - found["value_half"].fillna(0.0)
    return ordered(found[[*PLACE, "modality", "tokens", "half_tokens", "lagging", "value"]], selection, "order")


def _by_input(run: Run, selection: Selection) -> pd.DataFrame:
    if not run.has("settling"):
        raise StoreError(
            f"run {run.run_id!r} was captured by an earlier release, which did not keep how ranges settle: delete it and capture "
            "the model again."
        )
    places = groups(run, selection)
    found = run.frame("settling", where={**where(selection), "group": list(places["group"])})
    sums = found.groupby(["group", "modality", "samples"], sort=False)[_SUMS].sum().reset_index()
    sums = sums[sums["channels"] > 0].rename(columns={"group": "layer"})
    sums["value"] = 100.0 * sums["reached"] / sums["channels"]
    return ordered(sums.merge(places[PLACE], on="layer"), selection, "order", "samples")
