"""Channels that hold one value alone in all of the calibration data."""

from morphoquant.core.modality import CONTENT, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.words import place

LEAST_CHANNELS = 1
SOURCE = "ours, because a static range over one value has no width: any other value lies beyond it"


def constant_channels(evidence: Evidence) -> list[Finding]:
    """Says for each modality where channels never changed, first tokens left out: those are the same ones in every sequence."""
    rest = evidence.inputs[evidence.inputs["position"] == str(Position.REST)]
    found = []
    for name in map(str, CONTENT):
        rows = rest[(rest["modality"] == name) & (rest["constant"] >= LEAST_CHANNELS)]
        if rows.empty:
            continue
        most = rows.loc[rows["constant"].astype(int).idxmax()]
        total, inputs = int(rows["constant"].sum()), len(rows)
        where = f"in {inputs:,} inputs, most in {place(most)}" if inputs > 1 else f"at the input of {place(most)}"
        at = Selection(layer=most["layer"], modalities=(Modality(name),))
        found.append(
            Finding(
                rule="constant_channels",
                sentence=f"{total:,} channel{'s hold' if total > 1 else ' holds'} one value alone in all tokens of {name}, "
                f"{where} ({int(most['constant']):,} of {int(most['width']):,}): such a channel has "
                "no kurtosis and no dispersion, and a static range knows no other value of it.",
                numbers={"channels": total, "inputs": inputs, "most": int(most["constant"]), "layer": most["layer"]},
                severity=Severity.RISK,
                excess=float(most["constant"] / most["width"]),
                runs=(evidence.capture,),
                links=(Link("Channels there", "channel_ranges", (evidence.capture,), at),),
                threshold=LEAST_CHANNELS,
                unit="channel of one value alone, or more",
                source=SOURCE,
                modality=name,
                component=str(most["component"]) if rows["component"].nunique() == 1 else None,
            )
        )
    return found


RULES.add("constant_channels", Rule("constant_channels", "channels hold one value alone", constant_channels))
