"""Names of runs and layers as menus show them: short, and never the same for two."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from morphoquant.core.allocation import own_fields, spec_in_words
from morphoquant.core.layers import short_name
from morphoquant.queries.evaluations import calibration_name
from morphoquant.store.header import RunHeader
from morphoquant.store.run_store import RunEntry

DIGITS = 4


def run_labels(entries: Sequence[RunEntry]) -> dict[str, str]:
    """A label for each run: what it is, the fields in which it differs from its neighbours, its state, and digits of its hash."""
    headers = [entry.header for entry in entries if entry.header]
    return {entry.run_id: f"{_words(entry, headers)} ({entry.run_id[-DIGITS:]})" for entry in entries}


def title(header: RunHeader) -> str:
    """What a run is in a few words, without its neighbours."""
    plan = header.plan
    if plan.kind == "capture":
        # Of a folder its name alone: a menu has no room for the way there.
        model = str(plan.model.get("id", "model"))
        return f"{Path(model).name if Path(model).is_absolute() else model}, {plan.data.get('samples', '?')} samples"
    if plan.kind == "evaluate" and plan.method is None:
        return "full precision"
    return f"{plan.method} {spec_in_words(plan)}"


def answer_labels(entries: Sequence[RunEntry], known: Sequence[RunEntry]) -> dict[str, str]:
    """A label for each evaluate or sensitivity run: what it is, and where they differ, model, items, scope and calibration data.

    Args:
        entries: the runs.
        known: all runs, the captures among them.
    """
    data = {one.run_id: str(one.header.plan.data.get("id", "")) for one in known if one.header}
    facts = {entry.run_id: _asked(entry, data) for entry in entries if entry.header}
    same = [len(set(column)) < 2 for column in zip(*facts.values(), strict=True)]
    labels = {}
    for run_id, label in run_labels(entries).items():
        words = [word for word, alike in zip(facts.get(run_id, ()), same, strict=False) if word and not alike]
        head, mark, digits = label.rpartition(" (")
        labels[run_id] = f"{', '.join([head, *words])}{mark}{digits}"
    return labels


def _asked(entry: RunEntry, data: dict[str, str]) -> tuple[str, ...]:
    """Model, items, scope and calibration data of a run of answers; empty where full precision has none."""
    plan = entry.header.plan
    scope = plan.options.get("scope") or ()
    calibrated = data.get(plan.capture) if plan.capture else None
    return (
        str(plan.model.get("id", "model")),
        f"{plan.data.get('samples', '?')} items",
        " + ".join(scope) if plan.method else "",
        f"calibrated on {calibration_name(calibrated)}" if calibrated else "",
    )


def layer_labels(layers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """{layer: label} from (layer, component) pairs; two that would read the same keep their full names."""
    pairs = list(layers)
    short = {layer: f"{component}: {short_name(layer)}" for layer, component in pairs}
    seen: dict[str, int] = {}
    for label in short.values():
        seen[label] = seen.get(label, 0) + 1
    return {layer: label if seen[label] == 1 else layer for layer, label in short.items()}


def _words(entry: RunEntry, headers: Sequence[RunHeader]) -> str:
    header = entry.header
    if header is None:
        return "damaged run"
    state = "" if header.status == "finished" else f"{header.status}: "
    words = [f"{state}{title(header)}", *_differing_fields(header, headers)]
    if header.plan.kind == "capture":
        # A menu shows some thirty letters: of what was shipped the day does not matter, and its runs are known by their capture.
        words.append("stored" if header.stored else header.created[:10])
    return ", ".join(words)


def _differing_fields(header: RunHeader, headers: Sequence[RunHeader]) -> list[str]:
    plan = header.plan
    alike = [own_fields(other.plan) for other in headers if (other.plan.method, other.plan.spec) == (plan.method, plan.spec)]
    return [f"{key}={value}" for key, value in own_fields(plan).items() if any(other.get(key) != value for other in alike)]
