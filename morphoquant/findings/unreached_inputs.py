"""Inputs of the language model, such as those of experts, that no token of a modality reached."""

from morphoquant.core.layers import Component
from morphoquant.core.modality import CONTENT, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, Rule
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.words import place

LEAST_TOKENS = 1
SOURCE = (
    "ours, because the decoder sees every modality: an input that one of them never reaches is an expert it was not routed to, "
    "whose ranges then hold nothing of it"
)


def unreached_inputs(evidence: Evidence) -> list[Finding]:
    """Says how many inputs of the decoder a modality did not reach, if it reached others of them."""
    rest = evidence.inputs[evidence.inputs["position"] == str(Position.REST)]
    rows = rest[(rest["component"] == str(Component.LANGUAGE)) & (rest["tokens"] >= LEAST_TOKENS)]
    every = rows.drop_duplicates("layer").sort_values("order", kind="stable")
    found = []
    for name in map(str, CONTENT):
        reached = set(rows.loc[rows["modality"] == name, "layer"])
        missed = every[~every["layer"].isin(reached)]
        if not reached or missed.empty:
            continue
        first = missed.iloc[0]
        link = Link("Channels by modality", "channel_ranges", (evidence.capture,), Selection(layer=first["layer"]))
        found.append(
            Finding(
                rule="unreached_inputs",
                sentence=f"No {name} token reached {len(missed):,} of {len(every):,} inputs of the language model, the first of "
                f"them {place(first)}: their ranges hold nothing of {name}.",
                numbers={"unreached_inputs": len(missed), "inputs": len(every), "layer": first["layer"]},
                severity=Severity.BLIND,
                excess=len(missed) / len(every),
                runs=(evidence.capture,),
                links=(link,),
                threshold=LEAST_TOKENS,
                unit="token of each modality at least",
                source=SOURCE,
                modality=str(Modality(name)),
                component=str(Component.LANGUAGE),
            )
        )
    return found


RULES.add(
    "unreached_inputs", Rule("unreached_inputs", "inputs of the language model saw no token of a modality", unreached_inputs)
)
