"""Channels so wide that a range shared by all channels leaves the others no level but zero."""

import math

from morphoquant.core.modality import CONTENT, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.figures.theme import three_digits
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.words import further, place

BITS = 4
SOURCE = (
    "ours, because a symmetric grid of b bits over [-m, m] has half a step of at least m / (2^b - 1) and rounds what is no "
    "larger to zero; SmoothQuant (arXiv 2211.10438, section 3) and LLM.int8() (arXiv 2208.07339) were made for such channels"
)


def wide_channels(evidence: Evidence) -> list[Finding]:
    """Says for each modality where the widest channel is 2^bits - 1 times as wide as the median one, first tokens left out."""
    bits = evidence.bits or BITS
    limit = float(2**bits - 1)
    rest = evidence.inputs[(evidence.inputs["position"] == str(Position.REST)) & (evidence.inputs["median_absmax"] > 0)]
    rest = rest.assign(ratio=rest["absmax"].astype(float) / rest["median_absmax"].astype(float))
    found = []
    for name in map(str, CONTENT):
        rows = rest[rest["modality"] == name]
        wide = rows[rows["ratio"] >= limit].sort_values("ratio", ascending=False)
        if wide.empty:
            continue
        worst = wide.iloc[0]
        channel = int(worst["channel"])
        selection = Selection(layer=worst["layer"], channel=channel, modalities=(Modality(name),))
        found.append(
            Finding(
                rule="wide_channels",
                sentence=f"Channel {channel} is {three_digits(worst['ratio'])} times as wide as the median channel of {name} at "
                f"the input of {place(worst)}: on one symmetric {bits}-bit range for all channels, at least half of them round "
                "to zero." + further(len(wide) - 1, f"of {len(rows):,} inputs is so", f"of {len(rows):,} inputs are so"),
                numbers={
                    "ratio": float(worst["ratio"]),
                    "channel": channel,
                    "layer": worst["layer"],
                    "bits": bits,
                    "inputs": len(wide),
                    "of": len(rows),
                },
                severity=Severity.RISK,
                excess=math.log2(worst["ratio"] / limit),
                runs=(evidence.capture,),
                links=(Link("Channels there", "channel_ranges", (evidence.capture,), selection),),
                threshold=limit,
                unit="times the median channel",
                source=SOURCE,
                modality=name,
                component=str(worst["component"]),
            )
        )
    return found


RULES.add("wide_channels", Rule("wide_channels", "few channels are far wider than the others", wide_channels))
