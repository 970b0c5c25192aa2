"""Inputs that lose by values beyond everything that the calibration data held: its data are too few there, not its method bad."""

from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.normal import BIT_DB, NORMAL_DB
from morphoquant.findings.words import percent, place

SHARE = 0.5
SOURCE = (
    "ours, because a range over the calibration data cannot hold them, whatever sets it: more than half of the error is then one "
    "of the data; only inputs a bit or more below the best uniform grid on a normal distribution are looked at"
)


def unseen_values(evidence: Evidence) -> list[Finding]:
    """Says for each modality at which input most of the error comes from values beyond all that was captured."""
    if evidence.bits not in NORMAL_DB or evidence.beyond.empty:
        return []
    limit = NORMAL_DB[evidence.bits] - BIT_DB
    inputs = evidence.errors_of("input")
    rows = evidence.beyond.merge(inputs.drop(columns="error_sq"), on=["layer", "modality"])
    rows = rows[(rows["db"] <= limit) & (rows["error_sq"] > 0)]
    rows = rows.assign(share=rows["beyond_sq"].astype(float) / rows["error_sq"].astype(float))
    rows = rows[rows["share"] >= SHARE].sort_values("db", kind="stable")
    found = []
    for name in map(str, CONTENT):
        own = rows[rows["modality"] == name]
        if own.empty:
            continue
        worst = own.iloc[0]
        share, beyond, values = float(worst["share"]), int(worst["beyond"]), int(worst["values"])
        at = Selection(layer=worst["layer"], channel=int(worst["channel"]), modalities=(Modality(name),))
        found.append(
            Finding(
                rule="unseen_values",
                sentence=f"{percent(share)} of the error of {name} at the input of {place(worst)} comes from {beyond:,} of "
                f"{values:,} values, in {int(worst['channels']):,} channels, that lie beyond everything the calibration data "
                "held there, though their grids span all of it.",
                numbers={
                    "share": share,
                    "values_beyond": beyond,
                    "values": values,
                    "channels": int(worst["channels"]),
                    "channel": int(worst["channel"]),
                    "layer": worst["layer"],
                },
                severity=Severity.CAUSE,
                excess=(limit - float(worst["db"])) / BIT_DB,
                runs=(evidence.run, evidence.capture),
                links=(
                    Link("Grid of the channel", "grid_placement", (evidence.run,), at),
                    Link("Tokens by modality", "tokens_by_modality", (evidence.capture,), Selection()),
                ),
                threshold=SHARE,
                unit="of the error or more",
                source=SOURCE,
                modality=name,
                component=str(worst["component"]),
            )
        )
    return found


RULES.add("unseen_values", Rule("unseen_values", "values beyond all calibration data make an input's error", unseen_values))
