"""NaN or infinite activations."""

from morphoquant.core.modality import POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.words import place

LEAST_VALUES = 1
SOURCE = "ours, because full precision gives none: one shows a fault of the model, of its weights or of the arithmetic"


def not_finite(evidence: Evidence) -> list[Finding]:
    """Says where values are NaN or infinite; they are left out of every other number."""
    rows = evidence.inputs[evidence.inputs["not_finite"] >= LEAST_VALUES]
    if rows.empty:
        return []
    first = rows.sort_values("order", kind="stable").iloc[0]
    total, layers = int(rows["not_finite"].sum()), rows["layer"].nunique()
    inputs = f"{layers:,} layer input{'s' if layers > 1 else ''}"
    selection = Selection(layer=first["layer"], positions=POSITIONS)
    return [
        Finding(
            rule="not_finite",
            sentence=f"{total:,} values in {inputs} are NaN or infinite, first in {place(first)} ({first['modality']}): they are "
            "left out of every other number.",
            numbers={"values": total, "inputs": layers, "layer": first["layer"]},
            severity=Severity.BLIND,
            excess=0.0,
            runs=(evidence.capture,),
            links=(Link("Distribution there", "activation_histogram", (evidence.capture,), selection),),
            threshold=LEAST_VALUES,
            unit="NaN or infinite value or more",
            source=SOURCE,
        )
    ]


RULES.add("not_finite", Rule("not_finite", "activations are NaN or infinite", not_finite))
