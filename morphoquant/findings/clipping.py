"""Inputs that lose most by clipping."""

from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding
from morphoquant.findings.input_cause import input_cause


def clipping(evidence: Evidence) -> list[Finding]:
    """Says for each modality where values beyond the grid make most of a large error."""
    return input_cause(evidence, "clipping", "clip_sq", "Clipping")


RULES.add("clipping", Rule("clipping", "an input loses a bit or more, most of it by clipping", clipping))
