"""What to try: a method that measured better at the very place, in a stored run that may be compared. Otherwise no advice."""

import math

import pandas as pd

from morphoquant.core.modality import Modality
from morphoquant.core.selection import Selection
from morphoquant.findings.evidence import Evidence, error_rows
from morphoquant.findings.finding import Link, Mend
from morphoquant.findings.words import decibels, percent
from morphoquant.queries.decibels import sqnr_db

LEAD_DB = 1.0
"""Ours, because 1 dB is a fifth of the error's power; a smaller lead may turn round on other samples."""


def mend(evidence: Evidence, layer: str, modality: str, tap: str) -> Mend | None:
    """The run with the highest SQNR of a layer and modality, if it leads the one looked at by `LEAD_DB`.

    Args:
        evidence: the run and those that may be compared with it.
        layer: a linear; for the input, the first of its group.
        modality: a content modality.
        tap: "input" or "output".
    """
    here, pooled = _db(evidence.errors, layer, modality, tap), _pooled(evidence.errors, modality)
    found = [(_db(other.errors, layer, modality, tap), other) for other in evidence.others]
    found = [(db, other) for db, other in found if here is not None and db is not None and db - here >= LEAD_DB]
    if not found:
        return None
    # A method that helps here and hurts over all layers is named only if there is no other.
    best, other = max(found, key=lambda pair: (_pooled(pair[1].errors, modality) >= pooled, pair[0]))
    lead, whole = best - here, _pooled(other.errors, modality)
    kept = _bypassed(other.errors, evidence.groups.get(layer, layer), modality)
    cost = f"; it keeps {percent(kept)} of the input's values in full precision" if kept else ""
    change = "as much" if whole == pooled else f"{decibels(abs(whole - pooled))} {'more' if whole > pooled else 'less'}"
    turn = "but over" if whole < pooled else "over"
    sentence = (
        f"{other.label} measured {decibels(best)} there, {decibels(lead)} more{cost}; {turn} all layers its output SQNR of "
        f"{modality} is {decibels(whole)}, {change}."
    )
    numbers = {
        "sqnr_db": best,
        "lead_db": lead,
        "bypassed_share": kept,
        "pooled_sqnr_db": whole,
        "pooled_change_db": whole - pooled,
    }
    selection = Selection(layer=layer, modalities=(Modality(modality),), measure=f"{tap}_sqnr_db")
    return Mend(sentence, numbers, other.run, Link("Both runs, by layer", "compare_depth", (evidence.run, other.run), selection))


def _db(errors: pd.DataFrame, layer: str, modality: str, tap: str) -> float | None:
    rows = _at(errors, layer, modality, tap)
    value = float(rows["db"].iat[0]) if len(rows) else math.nan
    return value if math.isfinite(value) else None


def _pooled(errors: pd.DataFrame, modality: str) -> float:
    """Output SQNR of a modality over all layers, in dB."""
    rows = error_rows(errors, "output")
    sums = rows.loc[rows["modality"] == modality, ["signal_sq", "error_sq"]].sum()
    return float(sqnr_db(sums["signal_sq"], sums["error_sq"]))


def _bypassed(errors: pd.DataFrame, group: str, modality: str) -> float:
    """Share of an input's values that a method keeps in full precision; 0 where it does not say."""
    rows = _at(errors, group, modality, "input")
    values = float((rows["tokens"] * rows["width"]).sum())
    return float(rows["bypassed"].sum()) / values if values else 0.0


def _at(errors: pd.DataFrame, layer: str, modality: str, tap: str) -> pd.DataFrame:
    rows = error_rows(errors, tap)
    return rows[(rows["layer"] == layer) & (rows["modality"] == modality)]
