"""What the rules on clipping and rounding share: inputs that lose a bit or more, by the kind of error that makes most of it."""

from dataclasses import replace

import numpy as np
import pandas as pd

from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.selection import Selection
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.mend import mend
from morphoquant.findings.normal import BIT_DB, NORMAL_DB
from morphoquant.findings.words import decibels, further, percent, place

SHARE = 0.5
_SHOWN = {"layer_error": "input_sqnr_db", "error_split": "clip_share"}
_SO = "a bit or more in the same way"
SOURCE = (
    "ours, because a bit is then lost beyond what the bit-width costs well-behaved values: the best uniform grid on a normal "
    "distribution (Max, IRE Transactions on Information Theory 6, 1960, table II) less 6.02 dB"
)


def input_cause(evidence: Evidence, rule: str, column: str, noun: str) -> list[Finding]:
    """For each modality the worst input that is a bit or more below the yardstick and whose error is mostly of one kind.

    Args:
        evidence: the run.
        rule: name of the rule.
        column: "clip_sq" or "round_sq".
        noun: "Clipping" or "Rounding".
    """
    if evidence.bits not in NORMAL_DB:
        return []
    reach = NORMAL_DB[evidence.bits]
    rows = evidence.errors_of("input")
    rows = rows[np.isfinite(rows["db"].to_numpy(float)) & rows[column].notna()]
    rows = rows.assign(share=rows[column].astype(float) / rows["error_sq"].astype(float))
    found = []
    for name in map(str, CONTENT):
        own = rows[rows["modality"] == name]
        bad = own[(own["db"] <= reach - BIT_DB) & (own["share"] >= SHARE)].sort_values("db", kind="stable")
        if len(bad):
            found.append(_finding(evidence, rule, noun, name, bad, len(own), reach))
    return found


def _finding(evidence: Evidence, rule: str, noun: str, modality: str, bad: pd.DataFrame, inputs: int, reach: float) -> Finding:
    worst = bad.iloc[0]
    db, share = float(worst["db"]), float(worst["share"])
    at = Selection(layer=worst["layer"], modalities=(Modality(modality),))
    shown = {view: replace(at, measure=measure) for view, measure in _SHOWN.items()}
    return Finding(
        rule=rule,
        sentence=f"{noun} makes {percent(share)} of the error of {modality} at the input of {place(worst)}: SQNR "
        f"{decibels(db)}, {decibels(reach - db)} below the best {evidence.bits}-bit grid on a normal distribution."
        + further(len(bad) - 1, f"of {inputs:,} inputs loses {_SO}", f"of {inputs:,} inputs lose {_SO}"),
        numbers={"share": share, "sqnr_db": db, "reach_db": reach, "layer": worst["layer"], "inputs": len(bad), "of": inputs},
        severity=Severity.CAUSE,
        excess=(reach - BIT_DB - db) / BIT_DB,
        runs=(evidence.run,),
        links=(
            Link("Error of every input", "layer_error", (evidence.run,), shown["layer_error"]),
            Link("Share of clipping", "error_split", (evidence.run,), shown["error_split"]),
            Link("Channels of the input", "channel_ranges", (evidence.capture,), at),
        ),
        threshold=reach - BIT_DB,
        unit=f"dB or less, and {100 * SHARE:.0f} % of the error or more",
        source=SOURCE,
        modality=modality,
        component=str(worst["component"]),
        mend=mend(evidence, worst["layer"], modality, "input"),
    )
