"""Massive activations of the first token of a sequence."""

import math

from morphoquant.core.modality import POSITIONS, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.figures.theme import three_digits
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.words import further, place

RATIO = 64.0
SOURCE = (
    "PrefixQuant (arXiv 2410.05265) and its code: a token is an outlier if its largest magnitude is 64 times the median token's; "
    "we set the first token against the largest of all others, which is stricter"
)


def first_token(evidence: Evidence) -> list[Finding]:
    """Says where the first token is far larger than every other token of the same input."""
    inputs = evidence.inputs[evidence.inputs["absmax"].notna()]
    first = inputs[inputs["position"] == str(Position.FIRST)].sort_values("absmax", ascending=False).drop_duplicates("layer")
    rest = inputs[inputs["position"] == str(Position.REST)].groupby("layer", sort=False)["absmax"].max()
    rows = first.assign(rest=first["layer"].map(rest))
    rows = rows[rows["rest"] > 0]
    rows = rows.assign(ratio=rows["absmax"].astype(float) / rows["rest"].astype(float))
    rows = rows[rows["ratio"] >= RATIO].sort_values("ratio", ascending=False)
    if rows.empty:
        return []
    worst = rows.iloc[0]
    selection = Selection(
        layer=worst["layer"],
        channel=int(worst["channel"]),
        modalities=(Modality(worst["modality"]),),
        positions=POSITIONS,
    )
    return [
        Finding(
            rule="first_token",
            sentence=f"The first token carries massive activations: in {place(worst)} it reaches {three_digits(worst['absmax'])} "
            f"in channel {int(worst['channel'])}, {three_digits(worst['ratio'])} times the largest value of all other tokens "
            f"({three_digits(worst['rest'])})." + further(len(rows) - 1, "input is so", "inputs are so"),
            numbers={
                "first_absmax": float(worst["absmax"]),
                "rest_absmax": float(worst["rest"]),
                "ratio": float(worst["ratio"]),
                "layer": worst["layer"],
                "channel": int(worst["channel"]),
                "inputs": len(rows),
            },
            severity=Severity.RISK,
            excess=math.log2(worst["ratio"] / RATIO),
            runs=(evidence.capture,),
            links=(Link("Channels with first tokens", "channel_ranges", (evidence.capture,), selection),),
            threshold=RATIO,
            unit="times the largest value of all other tokens",
            source=SOURCE,
            component=str(worst["component"]),
        )
    ]


RULES.add("first_token", Rule("first_token", "the first token is far larger than all others", first_token))
