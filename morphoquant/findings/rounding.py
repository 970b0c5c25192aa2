"""Inputs that lose most by rounding."""

from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding
from morphoquant.findings.input_cause import input_cause


def rounding(evidence: Evidence) -> list[Finding]:
    """Says for each modality where steps that are too wide make most of a large error."""
    return input_cause(evidence, "rounding", "round_sq", "Rounding")


RULES.add("rounding", Rule("rounding", "an input loses a bit or more, most of it by rounding", rounding))
