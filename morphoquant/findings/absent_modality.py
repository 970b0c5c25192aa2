"""A content modality of which the calibration data hold nothing."""

from morphoquant.core.modality import CONTENT, POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity

LEAST_TOKENS = 1
SOURCE = "ours, because a statistic of no token is none"


def absent_modality(evidence: Evidence) -> list[Finding]:
    """Says which modalities were not seen, and whether the run was measured on them all the same."""
    seen, measured = (dict(frame[["modality", "tokens"]].to_numpy().tolist()) for frame in (evidence.tokens, evidence.measured))
    found = []
    for name in map(str, CONTENT):
        if evidence.tokens.empty or seen.get(name, 0) >= LEAST_TOKENS:
            continue
        tokens = int(measured.get(name, 0))
        sentence = f"No {name} token was captured: nothing here says how the model treats {name}."
        if tokens:
            sentence = (
                f"No {name} token was captured, and {evidence.label} was measured on {tokens:,} of them: every range it uses on "
                f"{name} was set without {name}."
            )
        found.append(
            Finding(
                rule="absent_modality",
                sentence=sentence,
                numbers={"captured_tokens": 0, "measured_tokens": tokens},
                severity=Severity.BLIND,
                excess=float(bool(tokens)),
                runs=(evidence.capture, *([evidence.run] if tokens else [])),
                links=(Link("Tokens by modality", "tokens_by_modality", (evidence.capture,), Selection(positions=POSITIONS)),),
                threshold=LEAST_TOKENS,
                unit="token of each content modality at least",
                source=SOURCE,
            )
        )
    return found


RULES.add("absent_modality", Rule("absent_modality", "a content modality has no token in the capture", absent_modality))
