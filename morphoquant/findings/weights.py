"""Modalities that the weights hold back, not the activations."""

import numpy as np

from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.normal import BIT_DB
from morphoquant.findings.words import decibels

LEAD_DB = 3.01
SOURCE = "ours, because the weights' error then has twice the power of the activations': two thirds of what is lost"


def weights(evidence: Evidence) -> list[Finding]:
    """Says for each modality that weights alone lose `LEAD_DB` more than activations alone, layers pooled."""
    parts = {source: evidence.errors_of("output", source) for source in ("weight", "activation", "both")}
    if any(part.empty for part in parts.values()):
        return []
    found = []
    for name in map(str, CONTENT):
        sums = {source: part.loc[part["modality"] == name, ["signal_sq", "error_sq"]].sum() for source, part in parts.items()}
        if any(not (one["signal_sq"] > 0 and one["error_sq"] > 0) for one in sums.values()):
            continue
        db = {source: 10 * float(np.log10(one["signal_sq"] / one["error_sq"])) for source, one in sums.items()}
        lead = db["activation"] - db["weight"]
        if lead < LEAD_DB:
            continue
        gain = db["weight"] - db["both"]
        link = Link("Weights and activations", "error_sources", (evidence.run,), Selection(modalities=(Modality(name),)))
        found.append(
            Finding(
                rule="weights",
                sentence=f"Weights, not activations, hold {name} back: output SQNR over all layers is {decibels(db['weight'])} "
                f"with weights alone quantised, {decibels(db['activation'])} with activations alone and "
                f"{decibels(db['both'])} with both; activations without any error would gain {decibels(gain)}.",
                numbers={f"{source}_sqnr_db": value for source, value in db.items()} | {"gain_db": gain},
                severity=Severity.LOSS,
                excess=(lead - LEAD_DB) / BIT_DB,
                runs=(evidence.run,),
                links=(link,),
                threshold=LEAD_DB,
                unit="dB or more below activations alone",
                source=SOURCE,
                modality=name,
            )
        )
    return found


RULES.add("weights", Rule("weights", "weights lose more than activations", weights))
