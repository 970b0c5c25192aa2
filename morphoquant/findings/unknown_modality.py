"""Tokens whose modality nobody could tell."""

from morphoquant.core.modality import POSITIONS, Modality
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.words import percent

LEAST_TOKENS = 1
SOURCE = "ours, because a modality is never guessed: one unlabelled token shows that the model's family needs an adapter"


def unknown_modality(evidence: Evidence) -> list[Finding]:
    """Says how many tokens have no known modality."""
    tokens = evidence.tokens
    unknown = int(tokens.loc[tokens["modality"] == str(Modality.UNKNOWN), "tokens"].sum())
    if unknown < LEAST_TOKENS:
        return []
    share = unknown / float(tokens["tokens"].sum())
    link = Link("Tokens by modality", "tokens_by_modality", (evidence.capture,), Selection(positions=POSITIONS))
    return [
        Finding(
            rule="unknown_modality",
            sentence=f"{unknown:,} tokens, {percent(share)} of the capture, have no known modality and are shown as unknown: the "
            "model's family needs an adapter.",
            numbers={"unknown_tokens": unknown, "share": share},
            severity=Severity.BLIND,
            excess=share,
            runs=(evidence.capture,),
            links=(link,),
            threshold=LEAST_TOKENS,
            unit="token of unknown modality or more",
            source=SOURCE,
        )
    ]


RULES.add("unknown_modality", Rule("unknown_modality", "tokens of the capture have no known modality", unknown_modality))
