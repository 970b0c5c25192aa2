"""Inputs whose error is made by few channels."""

import math

import numpy as np
import pandas as pd

from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.mend import mend
from morphoquant.findings.normal import BIT_DB, NORMAL_DB
from morphoquant.findings.words import decibels, percent, place

MOST_CHANNELS = 0.01
HALF = 0.5
SOURCE = (
    "ours, because keeping 1 % of the channels in full precision costs about 1 % more multiplications and halves the error; "
    "only inputs below the best uniform grid on a normal distribution (Max, 1960, table II) are looked at"
)


def half_made_by(error: np.ndarray) -> int:
    """The smallest number of channels whose squared error is half of all."""
    falling = np.sort(np.asarray(error, float))[::-1].cumsum()
    return int(np.searchsorted(falling, HALF * falling[-1])) + 1


def channel_error(evidence: Evidence) -> list[Finding]:
    """Says for each modality at which input at most 1 % of the channels make half of the error, the lowest SQNR of them."""
    if evidence.bits not in NORMAL_DB or evidence.channels.empty:
        return []
    kept = evidence.channels["layer"].nunique()
    places = evidence.errors_of("input").drop_duplicates("layer").set_index("layer")
    found = []
    for name in map(str, CONTENT):
        own = evidence.channels[evidence.channels["modality"] == name]
        looked = [_looked(layer, part) for layer, part in own.groupby("layer", sort=False) if layer in places.index]
        few = [one for one in looked if one["db"] < NORMAL_DB[evidence.bits] and one["half"] <= MOST_CHANNELS * one["width"]]
        if few:
            worst = min(few, key=lambda one: one["db"])
            found.append(_finding(evidence, name, worst, places.loc[worst["layer"]], kept, len(places)))
    return found


def _looked(layer: str, part: pd.DataFrame) -> dict:
    error = (part["clip_sq"] + part["round_sq"]).to_numpy(float)
    total, top = error.sum(), int(error.argmax()) if len(error) else 0
    if not total > 0:
        return {"layer": layer, "db": math.inf, "half": 0, "width": 0}
    return {
        "layer": layer,
        "db": 10 * math.log10(part["signal_sq"].sum() / total) if part["signal_sq"].sum() > 0 else math.inf,
        "half": half_made_by(error),
        "width": len(part),
        "channel": int(part["channel"].iat[top]),
        "share": error[top] / total,
        "clipped": float(part["clip_sq"].iat[top]) / error[top],
    }


def _finding(evidence: Evidence, modality: str, worst: dict, row: pd.Series, kept: int, inputs: int) -> Finding:
    kind, part = ("clipping", worst["clipped"]) if worst["clipped"] >= HALF else ("rounding", 1 - worst["clipped"])
    of = f" Channels are known for {kept:,} of {inputs:,} inputs of this run." if kept < inputs else ""
    at = Selection(layer=worst["layer"], channel=worst["channel"], modalities=(Modality(modality),))
    many = f"{worst['half']:,} of {worst['width']:,} channels make" if worst["half"] > 1 else "One channel makes"
    return Finding(
        rule="channel_error",
        sentence=f"{many} half of the error of {modality} at the input of {place(row)}, SQNR "
        f"{decibels(worst['db'])}; channel {worst['channel']} alone makes {percent(worst['share'])}, {percent(part)} of it by "
        f"{kind}.{of}",
        numbers={
            "channels": worst["half"],
            "width": worst["width"],
            "sqnr_db": worst["db"],
            "channel": worst["channel"],
            "channel_share": worst["share"],
            "clipped_share": worst["clipped"],
            "layer": worst["layer"],
        },
        severity=Severity.CAUSE,
        excess=(NORMAL_DB[evidence.bits] - worst["db"]) / BIT_DB,
        runs=(evidence.run,),
        links=(
            Link("Grid of the channel", "grid_placement", (evidence.run,), at),
            Link("Channels of the input", "channel_ranges", (evidence.capture,), at),
        ),
        threshold=MOST_CHANNELS,
        unit="of the channels or fewer make half of the error",
        source=SOURCE,
        modality=modality,
        component=str(row["component"]),
        mend=mend(evidence, worst["layer"], modality, "input"),
    )


RULES.add("channel_error", Rule("channel_error", "few channels make half of an input's error", channel_error))
