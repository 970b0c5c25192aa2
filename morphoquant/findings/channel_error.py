"""Inputs whose error is made by few channels."""

import pandas as pd

from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.mend import mend
from morphoquant.findings.normal import BIT_DB, NORMAL_DB
from morphoquant.findings.words import decibels, percent, place
from morphoquant.queries.decibels import sqnr_db

MOST_CHANNELS = 0.01
HALF = 0.5
SOURCE = (
    "ours, because keeping 1 % of the channels in full precision costs about 1 % more multiplications and halves the error; "
    "only inputs below the best uniform grid on a normal distribution (Max, 1960, table II) are looked at"
)


def shares(channels: pd.DataFrame) -> pd.DataFrame:
    """What the channels of each input make of its error.

    Args:
        channels: rows of `Evidence.channels` of one modality.

    Returns:
        Those that have an error, by layer, with db (SQNR), share (of the error, that of the channel with most) and clipped (the
        clipped part of that channel's).
    """
    error = (channels["clip_sq"] + channels["round_sq"]).astype(float)
    top = (channels["channel_clip_sq"] + channels["channel_round_sq"]).astype(float)
    found = channels.assign(
        db=sqnr_db(channels["signal_sq"], error), share=top / error, clipped=channels["channel_clip_sq"].astype(float) / top
    )
    return found[error > 0].astype({"channel": int}).sort_values("layer", kind="stable", ignore_index=True)


def channel_error(evidence: Evidence) -> list[Finding]:
    """Says for each modality at which input at most 1 % of the channels make half of the error, the lowest SQNR of them."""
    if evidence.bits not in NORMAL_DB or evidence.channels.empty:
        return []
    kept = evidence.channels["layer"].nunique()
    places = evidence.errors_of("input").drop_duplicates("layer").set_index("layer")
    found = []
    for name in map(str, CONTENT):
        own = shares(evidence.channels[evidence.channels["modality"] == name])
        few = own[(own["db"] < NORMAL_DB[evidence.bits]) & (own["half"] <= MOST_CHANNELS * own["width"])]
        few = few[few["layer"].isin(places.index)].sort_values("db", kind="stable")
        if len(few):
            worst = few.head(1).to_dict("records")[0]  # as plain numbers of Python
            found.append(_finding(evidence, name, worst, places.loc[worst["layer"]], kept, len(places)))
    return found


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
