"""The layer in which a modality loses most, and what makes the error there."""

import numpy as np
import pandas as pd

from morphoquant.core.modality import CONTENT, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.figures.theme import three_digits
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.mend import mend
from morphoquant.findings.normal import BIT_DB
from morphoquant.findings.words import decibels, percent, place

SOURCE = "ours, because 6.02 dB are one bit (Bennett, 1948): the layer does as if it had a bit less than half of the layers have"


def worst_layer(evidence: Evidence) -> list[Finding]:
    """Says for each modality which layer has the lowest output SQNR, if that is a bit below the median layer."""
    outputs = evidence.errors_of("output")
    outputs = outputs[np.isfinite(outputs["db"].to_numpy(float))]
    found = []
    for name in map(str, CONTENT):
        own = outputs[outputs["modality"] == name]
        if own.empty:
            continue
        median = float(own["db"].median())
        worst = own.loc[own["db"].astype(float).idxmin()]
        if median - worst["db"] >= BIT_DB:
            found.append(_finding(evidence, name, worst, median, len(own)))
    return found


def _finding(evidence: Evidence, modality: str, worst: pd.Series, median: float, layers: int) -> Finding:
    layer, db = str(worst["layer"]), float(worst["db"])
    group = evidence.groups.get(layer, layer)
    why, numbers, channel = _cause(evidence, layer, group, modality)
    at = Selection(layer=layer, channel=channel, modalities=(Modality(modality),))
    return Finding(
        rule="worst_layer",
        sentence=f"{modality.capitalize()} loses most in {place(worst)}: output SQNR {decibels(db)}, the lowest of {layers:,} "
        f"layers and {decibels(median - db)} below their median.{why}",
        numbers={"sqnr_db": db, "median_db": median, "layer": layer, "layers": layers} | numbers,
        severity=Severity.LOSS,
        excess=(median - db - BIT_DB) / BIT_DB,
        runs=(evidence.run,),
        links=(
            Link("Error of every layer", "layer_error", (evidence.run,), at),
            Link("Channels of the input", "channel_ranges", (evidence.capture,), at),
        ),
        threshold=BIT_DB,
        unit="dB or more below the median layer",
        source=SOURCE,
        modality=modality,
        component=str(worst["component"]),
        mend=mend(evidence, layer, modality, "output"),
    )


def _cause(evidence: Evidence, layer: str, group: str, modality: str) -> tuple[str, dict, int | None]:
    """What makes the error, in words and numbers, and the channel to look at; each part only where it was measured."""
    words, numbers = [], {}
    alone = {source: _row(evidence.errors_of("output", source), layer, modality) for source in ("weight", "activation")}
    by_activations = True
    if all(row is not None for row in alone.values()):
        db = {source: float(row["db"]) for source, row in alone.items()}
        by_activations = db["activation"] <= db["weight"]
        most = "Activations" if by_activations else "Weights"
        words.append(
            f" {most} make most of it: {decibels(db['activation'])} with activations alone quantised, {decibels(db['weight'])} "
            "with weights alone."
        )
        numbers |= {f"{source}_sqnr_db": value for source, value in db.items()}
    row = _row(evidence.errors_of("input"), group, modality)
    if by_activations and row is not None and pd.notna(row["clip_sq"]) and row["error_sq"] > 0:
        clipped = float(row["clip_sq"]) / float(row["error_sq"])
        share, kind = (clipped, "clipping") if clipped >= 0.5 else (1 - clipped, "rounding")
        words.append(f" Of the error of its input, {percent(share)} is {kind}.")
        numbers["clip_share"] = clipped
    channel, said, more = _channel(evidence, group, modality)
    return "".join([*words, said]), numbers | more, channel


def _channel(evidence: Evidence, group: str, modality: str) -> tuple[int | None, str, dict]:
    """The channel with most error where the run keeps it, else the widest one of the capture."""
    row = _row(evidence.channels, group, modality)
    if row is not None and pd.notna(row["channel"]):
        channel = int(row["channel"])
        share = float((row["channel_clip_sq"] + row["channel_round_sq"]) / (row["clip_sq"] + row["round_sq"]))
        said = f" Channel {channel} has the largest share of that error, {percent(share)}."
        return channel, said, {"channel": channel, "channel_share": share}
    rest = evidence.inputs[evidence.inputs["position"] == str(Position.REST)]
    row = _row(rest, group, modality)
    if row is None or not row["median_absmax"] > 0:
        return None, "", {}
    channel, ratio = int(row["channel"]), float(row["absmax"] / row["median_absmax"])
    said = f" Its widest channel, {channel}, is {three_digits(ratio)} times as wide as the median one."
    return channel, said, {"channel": channel, "widest_to_median": ratio}


def _row(rows: pd.DataFrame, layer: str, modality: str) -> pd.Series | None:
    rows = rows[(rows["layer"] == layer) & (rows["modality"] == modality)]
    return rows.iloc[0] if len(rows) else None


RULES.add("worst_layer", Rule("worst_layer", "one layer loses a bit more than the median one", worst_layer))
