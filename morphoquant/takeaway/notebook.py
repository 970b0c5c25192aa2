"""Runs in a notebook: opening one, its figures and their data. `Run.figure` and its neighbours lead here."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from morphoquant.core.errors import SpecError, StoreError, UnknownNameError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.core.modality import MODALITIES, POSITIONS, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.core.what_if import WhatIf
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.asked import Answer, Asked, answer, fits
from morphoquant.takeaway.choose import beside as all_beside
from morphoquant.views.base import VIEWS, View

KINDS = ("capture", "gradients", "quantize", "evaluate", "sensitivity", "inspect")
# field of Selection: name of the filter in a notebook
FILTERS = {"modalities": "modality", "positions": "first", "subjects": "subject"}
Beside = str | Run | Sequence[str | Run]


def open(run: str, cache: Path | str | None = None) -> Run:
    """Opens a run for looking at it.

    Args:
        run: its identifier; or a kind ("capture", "quantize", "evaluate", "sensitivity", "inspect"), or a method and spec
            ("rtn-w4a4"), for the newest finished one.
        cache: folder of models and runs; absent for $MORPHOQUANT_CACHE, or `cache` in the working folder.

    Raises:
        StoreError: nothing finished of that kind, or the folder is damaged.
        UnknownNameError: no such run.
    """
    store = RunStore(cache or os.environ.get("MORPHOQUANT_CACHE") or "cache")
    for entry in store.entries():
        header = entry.header
        if header and header.status == "finished" and run in (header.plan.kind, entry.run_id.rpartition("-")[0]):
            return store.open(entry.run_id)
    if run in KINDS:
        raise StoreError(f"there is no finished {run} run in {store.cache}: make one with: python -m morphoquant {run}.")
    return store.open(run)


def figure(run: Run, view: str, **filters) -> go.Figure:
    """The figure of `view`; see `Run.figure`."""
    return ask(run, view, **filters).figure


def figure_data(run: Run, view: str, **filters) -> pd.DataFrame:
    """The data of the figure; see `Run.figure_data`."""
    return ask(run, view, **filters).frame


def figures(run: Run) -> pd.DataFrame:
    """The views that `run` can answer; see `Run.figures`."""
    known = dict(VIEWS.items()) | VIEWS.several()
    rows = [(name, view.question, ", ".join(taken(view))) for name, view in known.items() if fits(view, run)]
    return pd.DataFrame(rows, columns=["name", "question", "takes"])


def ask(run: Run, view: str, *, beside: Beside = (), **filters) -> Answer:
    """Frame and figure of `view`; see `Run.figure` for the filters and what is raised."""
    store, wanted = RunStore(run.folder.parents[1]), VIEWS[view]
    return answer(store, Asked(view, _runs(store, run, wanted, beside), selection(wanted, **filters)))


def selection(view: View, **filters) -> Selection:
    """The filters of a notebook as a Selection.

    Raises:
        UnknownNameError: a filter that the view does not take, or a modality, subject or setting that is none.
        SpecError: a channel without its layer.
    """
    for name, value in filters.items():
        if name not in taken(view):
            raise UnknownNameError(f"filter of view {view.name!r}", name, taken(view))
        if name == "channel" and value is not None and not filters.get("layer"):
            raise SpecError(f"channel {value} of which layer? Name it too: layer='...'; channels are numbered within a layer.")
    fields = dict(filters)
    if "modality" in fields:
        fields["modalities"] = tuple(Modality(_known("modality", name, MODALITIES)) for name in _several(fields.pop("modality")))
    if "subject" in fields:
        fields["subjects"] = tuple(_known("subject", name, SUBJECTS) for name in _several(fields.pop("subject")))
    if "first" in fields:
        fields["positions"] = POSITIONS if fields.pop("first") else (Position.REST,)
    if "what_if" in fields:
        fields["what_if"] = _what_if(fields["what_if"])
    return Selection(**fields)


def taken(view: View) -> list[str]:
    """Names of the filters that `view` takes, as a notebook writes them."""
    return sorted(FILTERS.get(field, field) for field in view.takes | view.rings)


def _runs(store: RunStore, run: Run, view: View, beside: Beside) -> tuple[str, ...]:
    if isinstance(beside, str) and beside == "all":
        return tuple(other.run_id for other in all_beside(store, run, view))
    others = [other if isinstance(other, str) else other.run_id for other in _several(beside)]
    # A view of two shows what is set against the run first, then the run.
    return tuple(dict.fromkeys([*others, run.run_id] if view.most == 2 else [run.run_id, *others]))


def _several(value) -> list:
    return [value] if isinstance(value, str | Run) else list(value or ())


def _known(kind: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise UnknownNameError(kind, str(name), known)
    return name


def _what_if(value) -> WhatIf:
    if isinstance(value, WhatIf):
        return value
    words = {True: "yes", False: "no"}
    return WhatIf.read({key: words[one] if isinstance(one, bool) else str(one) for key, one in dict(value or {}).items()})
