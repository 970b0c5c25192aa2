"""What a run is made of, as rows and sentences: the plan, the times, the versions, and what its arithmetic stands for."""

import pandas as pd

from morphoquant.core.allocation import own_fields, spec_in_words
from morphoquant.core.layers import short_name
from morphoquant.core.modality import POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.figures.theme import three_digits
from morphoquant.store.header import RunHeader
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.views.base import View


def provenance(header: RunHeader) -> pd.DataFrame:
    """The plan and the summary of a run as rows of (what, value)."""
    plan = header.plan
    rows = [("run", header.run_id), ("started", _minute(header.created)), ("finished", _minute(header.finished))]
    rows += [(name, str(value)) for name, value in _fitted(header).items()]
    rows += [("code", plan.code)]
    rows += [(f"model {key}", _text(value)) for key, value in plan.model.items()]
    rows += [(f"data {key}", _text(value)) for key, value in plan.data.items()]
    rows += [(f"option {key}", _text(value)) for key, value in plan.options.items()]
    rows += [("seed", str(plan.seed)), *((key, _text(value)) for key, value in header.summary.items() if value is not None)]
    return pd.DataFrame(rows, columns=["what", "value"])


def arithmetic(header: RunHeader) -> str:
    """Whether the numbers of a run are those of a simulation, and whether its products could be deployed; one sentence."""
    if header.plan.method is None:
        return "Full precision: nothing is quantised."
    how = header.summary.get("arithmetic", "simulated")
    cost = header.summary.get("cost")
    if cost is None:
        return f"Quantised, {how}; whether its products can be deployed, the run does not say."
    if cost["deployable"]:
        return f"Quantised, {how}; its products are deployable: a low-bit matrix product can run them."
    return (
        f"Quantised, {how}; its products are simulated only: scales lie along the sum of a product, which a plain low-bit matrix "
        "product cannot run."
    )


def involved(store: RunStore, runs: list[Run]) -> list[Run]:
    """`runs` and the captures that stand behind them, each once, where the cache holds them."""
    here = {entry.run_id for entry in store.entries() if entry.header}
    captures = [run.plan.capture for run in runs if run.plan.capture in here]
    found = {run.run_id: run for run in runs}
    found |= {str(run_id): store.open(str(run_id)) for run_id in captures if run_id not in found}
    return list(found.values())


def run_title(run: Run) -> str:
    """A run in a few words: "morphoquant w4a4", or "capture of demo, 45 samples of demo-calibration"."""
    plan = run.plan
    if plan.kind == "quantize":
        return f"{plan.method} {spec_in_words(plan)}"
    what = {"evaluate": "answers of", "sensitivity": "sensitivity of", "inspect": "inside of"}.get(plan.kind, f"{plan.kind} of")
    how = f" with {plan.method} {spec_in_words(plan)}" if plan.method else " in full precision" if plan.kind == "evaluate" else ""
    samples = f", {plan.data['samples']} samples of {plan.data['id']}" if {"samples", "id"} <= set(plan.data) else ""
    return f"{what} {plan.model.get('id', 'an unnamed model')}{how}{samples}"


def view_in_words(view: View, selection: Selection, short: bool = True) -> list[str]:
    """The filters that a view took, as parts of a caption, and what it rings."""
    ringed = filters_in_words(selection, view.rings, short)
    return filters_in_words(selection, view.takes, short) + [f"{part} ringed" for part in ringed]


def filters_in_words(selection: Selection, takes: frozenset[str], short: bool = True) -> list[str]:
    """The filters in `takes` as parts of a caption; the layer first."""
    words = []
    if "layer" in takes and selection.layer:
        words.append(f"layer {short_name(selection.layer) if short else selection.layer}")
    if "channel" in takes and selection.channel is not None:
        words.append(f"channel {selection.channel}")
    if "component" in takes and selection.component:
        words.append(f"{selection.component} layers")
    if "role" in takes and selection.role:
        words.append(f"role {selection.role}")
    if "modalities" in takes and selection.modalities:
        words.append(", ".join(map(str, selection.modalities)))
    if "subjects" in takes and selection.subjects:
        words.append(", ".join(selection.subjects))
    numbers = [(name, getattr(selection, name)) for name in ("sample", "block", "head") if name in takes]
    words += [f"{name} {number}" for name, number in numbers if number is not None]
    if "positions" in takes:
        words.append("with" + ("" if set(selection.positions) == set(POSITIONS) else "out") + " first tokens")
    if "what_if" in takes:
        words += [f"{name} {value}" for name, value in selection.what_if.written().items()]
    return words


def sentence(parts: list[str]) -> str:
    """The parts as one sentence, with a capital; empty for none."""
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _fitted(header: RunHeader) -> dict[str, object]:
    plan = header.plan
    if plan.method is None:
        return {}
    fields = {f"field {key}": _text(value) for key, value in own_fields(plan).items()}
    return {"method": plan.method, "spec": spec_in_words(plan), "capture": plan.capture} | fields


def _minute(iso: str | None) -> str:
    return f"{iso[:10]} {iso[11:16]} UTC" if iso else "unknown"


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(inner) for inner in value)
    return three_digits(value) if isinstance(value, float) else str(value)
