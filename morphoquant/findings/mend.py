"""What to try: a method that measured better at the very place, in a stored run that may be compared. Otherwise no advice."""

import math

from morphoquant.core.modality import Modality
from morphoquant.core.selection import Selection
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Link, Mend
from morphoquant.findings.words import decibels, percent

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
    own = evidence.places
    here, pooled = own.db(layer, modality, tap), own.pooled.get(modality, math.nan)
    found = [(other.places.db(layer, modality, tap), other) for other in evidence.others]
    found = [(db, other) for db, other in found if here is not None and db is not None and db - here >= LEAD_DB]
    if not found:
        return None
    # A method that helps here and hurts over all layers is named only if there is no other.
    best, other = max(found, key=lambda pair: (pair[1].places.pooled.get(modality, math.nan) >= pooled, pair[0]))
    lead, whole = best - here, other.places.pooled.get(modality, math.nan)
    kept = other.places.bypassed(evidence.groups.get(layer, layer), modality)
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
