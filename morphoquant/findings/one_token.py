"""Tokens beyond the first, such as delimiters, that stand far above all others of their modality."""

import math

from morphoquant.core.modality import CONTENT, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.figures.theme import three_digits
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.words import place

RATIO = 64.0
SOURCE = (
    "PrefixQuant (arXiv 2410.05265) and its code: a token is an outlier if its largest magnitude is 64 times the median token's"
)


def one_token(evidence: Evidence) -> list[Finding]:
    """Says for each modality at which input the largest value is 64 times that of the median kept token, the worst of them.

    The largest value is exact, over all tokens; the median is that of the kept tokens of the modality.
    """
    peaks = evidence.peaks.dropna(subset="peak")
    kept = peaks.groupby(["layer", "modality"])["peak"].agg(["median", "size"]).reset_index()
    inputs = evidence.inputs[evidence.inputs["position"] == str(Position.REST)]
    rows = inputs.merge(kept[kept["median"] > 0], on=["layer", "modality"])
    rows = rows.assign(ratio=rows["absmax"].astype(float) / rows["median"].astype(float))
    rows = rows[rows["ratio"] >= RATIO].sort_values("ratio", ascending=False)
    found = []
    for name in map(str, CONTENT):
        own = rows[rows["modality"] == name]
        if own.empty:
            continue
        worst = own.iloc[0]
        same = peaks[(peaks["layer"] == worst["layer"]) & (peaks["modality"] == name)]
        outliers = int((same["peak"] >= RATIO * worst["median"]).sum())
        at = Selection(layer=worst["layer"], channel=int(worst["channel"]), modalities=(Modality(name),))
        found.append(
            Finding(
                rule="one_token",
                sentence=f"Some tokens of {name} carry massive activations at the input of {place(worst)}: the largest value, "
                f"{three_digits(worst['absmax'])} in channel {int(worst['channel'])}, is {three_digits(worst['ratio'])} times "
                f"that of the median token ({three_digits(worst['median'])}); {outliers:,} of {int(worst['size']):,} kept tokens "
                f"{'reaches' if outliers == 1 else 'reach'} {RATIO:.0f} times the median.",
                numbers={
                    "absmax": float(worst["absmax"]),
                    "median_token": float(worst["median"]),
                    "ratio": float(worst["ratio"]),
                    "outlier_tokens": outliers,
                    "kept_tokens": int(worst["size"]),
                    "layer": worst["layer"],
                    "channel": int(worst["channel"]),
                },
                severity=Severity.RISK,
                excess=math.log2(worst["ratio"] / RATIO),
                runs=(evidence.capture,),
                links=(Link("Channels there", "channel_ranges", (evidence.capture,), at),),
                threshold=RATIO,
                unit="times the largest value of the median token",
                source=SOURCE,
                modality=name,
                component=str(worst["component"]),
            )
        )
    return found


RULES.add("one_token", Rule("one_token", "tokens beyond the first are far larger than the others", one_token))
