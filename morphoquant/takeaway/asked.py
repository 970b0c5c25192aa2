"""A figure that was asked for, and its answer: the frame and the figure, as the dashboard shows them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd
import plotly.graph_objects as go

from morphoquant.core.errors import CompareError, StoreError
from morphoquant.core.selection import Selection, narrow
from morphoquant.queries.sources import capture_of
from morphoquant.queries.standing_out import standing_out
from morphoquant.queries.worst import worst_layer
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.views.base import VIEWS, View

_OF_CAPTURES, _OF_NONE = "capture", "none"
_OF_TOKENS = frozenset({"token_map", "token_surface"})


@dataclass(frozen=True)
class Asked:
    """A view of some runs. Small and hashable, so that a session can keep it.

    Attributes:
        view: name of the view.
        runs: identifiers of the runs, in order.
        selection: its filters.
        width: column of a paper, "single" or "double".
    """

    view: str
    runs: tuple[str, ...]
    selection: Selection = Selection()
    width: str = "single"


def asked_of(view: View, runs: Iterable[Run], selection: Selection, width: str = "single") -> Asked:
    """The question with only those filters that change the figure, so that equal figures are equal questions."""
    return Asked(view.name, tuple(run.run_id for run in runs), narrow(selection, view.takes | view.rings), width)


@dataclass(frozen=True)
class Answer:
    """What was asked for.

    Attributes:
        asked: as asked, with only those filters that change the figure, and with the layer where none was named.
        view: the view.
        runs: the runs it was put to.
        frame: the data.
        figure: the figure.
    """

    asked: Asked
    view: View
    runs: tuple[Run, ...]
    frame: pd.DataFrame
    figure: go.Figure


def answer(store: RunStore, asked: Asked) -> Answer:
    """Asks the runs and draws the figure.

    Raises:
        UnknownNameError: no such view, run, layer or measure.
        CompareError: more runs than the view takes, or runs that must not stand side by side.
        StoreError: runs of another kind, or that hold no such data, or nothing for these filters.
    """
    view = VIEWS[asked.view]
    runs = [store.open(run_id) for run_id in asked.runs]
    check_runs(view, runs)
    selection = at_layer(store, view, runs, asked.selection)
    asked = replace(asked, selection=narrow(selection, view.takes | view.rings))
    frame = view.query(store, runs, asked.selection)
    if frame.empty:
        raise StoreError(
            f"view {view.name!r} has nothing to show for these filters: take in more modalities, or the first token."
        )
    return Answer(asked, view, tuple(runs), frame, view.draw(frame, asked.selection))


def check_runs(view: View, runs: list[Run]) -> None:
    """Raises StoreError or CompareError if `view` cannot be asked of `runs`."""
    if view.runs == _OF_NONE:
        if runs:
            raise CompareError(f"{view.name!r} is of no run, {len(runs)} are named: leave them out.")
        return
    if not runs:
        raise StoreError(f"{view.name!r} has no run to show: name one, or make one first.")
    for run in runs:
        if not fits(view, run):
            raise StoreError(
                f"{view.name!r} shows {kind(view)} runs and {run.run_id!r} is a {run.plan.kind} run: name a {kind(view)} run."
            )
    if view.most and len(runs) > view.most:
        raise CompareError(f"{view.name!r} takes {view.most} run{'s' * (view.most > 1)} at most, {len(runs)} are named.")


def fits(view: View, run: Run) -> bool:
    """Whether `view` can be asked of `run`: by its kind, or, for a view of captures, by the capture that stands behind it."""
    if view.runs == _OF_CAPTURES:
        return run.plan.kind == _OF_CAPTURES or run.plan.capture is not None
    return run.plan.kind == kind(view)


def kind(view: View) -> str:
    """The kind of run that `view` shows."""
    return "quantize" if view.runs == "many" else view.runs


def at_layer(store: RunStore, view: View, runs: list[Run], selection: Selection) -> Selection:
    """`selection` with a layer, where the view shows one and none is named: the dashboard's own choice."""
    if "layer" not in view.takes or selection.layer:
        return selection
    capture, where = capture_of(store, runs), Selection(component=selection.component, role=selection.role)
    found = standing_out(capture, replace(where, modalities=selection.modalities)) if view.name in _OF_TOKENS else None
    return replace(selection, layer=found or worst_layer(capture, where, with_histogram=True))
