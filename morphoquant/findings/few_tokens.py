"""Inputs that saw so few tokens of a modality that the range of a channel is not settled."""

import math

from morphoquant.core.modality import CONTENT, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.words import place

LEAST_TOKENS = 199
SOURCE = (
    "Wilks, Determination of sample sizes for setting tolerance limits, Annals of Mathematical Statistics 12 (1941): the next "
    "of n + 1 exchangeable values lies beyond the range of the n before with the chance 2 / (n + 1), 1 % at 199"
)


def few_tokens(evidence: Evidence) -> list[Finding]:
    """Says for each modality how many inputs saw fewer than `LEAST_TOKENS` of its tokens, first tokens left out."""
    rest = evidence.inputs[(evidence.inputs["position"] == str(Position.REST)) & (evidence.inputs["tokens"] > 0)]
    found = []
    for name in map(str, CONTENT):
        rows = rest[rest["modality"] == name]
        few = rows[rows["tokens"] < LEAST_TOKENS]
        if few.empty:
            continue
        least = few.loc[few["tokens"].astype(int).idxmin()]
        tokens = int(least["tokens"])
        chance = 2 / (tokens + 1)
        link = Link(
            "Channels there", "channel_ranges", (evidence.capture,), Selection(layer=least["layer"], modalities=(Modality(name),))
        )
        found.append(
            Finding(
                rule="few_tokens",
                sentence=f"{len(few):,} of {len(rows):,} inputs that {name} reaches saw fewer than {LEAST_TOKENS} of its tokens, "
                f"{place(least)} {tokens:,}: there the next value of a channel lies beyond the range seen with a chance of "
                f"{100 * chance:.2g} %.",
                numbers={"inputs": len(few), "of": len(rows), "fewest_tokens": tokens, "chance": chance, "layer": least["layer"]},
                severity=Severity.RISK,
                excess=math.log2(LEAST_TOKENS / tokens),
                runs=(evidence.capture,),
                links=(link,),
                threshold=LEAST_TOKENS,
                unit="tokens at least",
                source=SOURCE,
                modality=name,
                component=str(least["component"]) if few["component"].nunique() == 1 else None,
            )
        )
    return found


RULES.add("few_tokens", Rule("few_tokens", "inputs saw too few tokens of a modality to know its range", few_tokens))
