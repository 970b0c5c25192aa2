"""Views of several runs, made of a view of one: side by side on coupled axes, and less the first of them."""

from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go

from morphoquant.core.selection import Selection
from morphoquant.figures.side_by_side import side_by_side
from morphoquant.figures.ticks import escaped
from morphoquant.queries.beside import LEAST, MOST, captures_beside, quantized_beside
from morphoquant.store.run_store import Run, RunStore
from morphoquant.views.base import View

_RUN = ("run_id", "label_run")


def composed(view: View) -> list[View]:
    """The views of several runs that `view` stands for."""
    assert view.beside is not None
    runs = "capture" if view.runs == "capture" else "quantize"
    shared = dict(runs=runs, least=LEAST, most=MOST, beside=None, caption=None)
    side = replace(
        view,
        name=f"side_{view.name}",
        title=f"{view.title}, side by side",
        question=f"{view.question} In two to four runs, side by side.",
        how_to_read=f"{view.how_to_read} The columns share their axes: zoom in one, and all follow.",
        query=lambda store, runs, selection: _beside(view, store, runs, selection),
        draw=lambda frame, selection: _drawn(view.draw, frame, selection),
        **shared,
    )
    return [side] if view.beside.less is None else [side, _difference(view, shared)]


def less_first(view: View, frame: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    """The frame of difference_NAME from that of side_NAME: every run less the first.

    Args:
        view: the view of one run.
        frame: as its view side by side answers.
        selection: as it was asked with.

    Raises:
        StoreError: two runs share nothing that could be subtracted.
    """
    (reference, first), *others = frame.groupby("run_id", sort=False)
    parts = []
    for run_id, part in others:
        names = dict(run_id=run_id, label_run=part["label_run"].iat[0], reference_id=reference)
        names["label_reference"] = first["label_run"].iat[0]
        parts.append(_named(view.beside.less(_unnamed(part), _unnamed(first), selection), names))
    return pd.concat(parts, ignore_index=True)


def _difference(view: View, shared: dict) -> View:
    beside = view.beside

    def draw(frame: pd.DataFrame, selection: Selection) -> go.Figure:
        named = frame["label_run"] + " less " + frame["label_reference"]
        return _drawn(beside.draw, frame.assign(label_run=named), selection)

    return replace(
        view,
        name=f"difference_{view.name}",
        title=beside.title,
        question=f"{view.question} What changes from the first of two to four runs to the others?",
        how_to_read=beside.how_to_read,
        query=lambda store, runs, selection: less_first(view, _beside(view, store, runs, selection), selection),
        draw=draw,
        measures=view.measures if beside.measures is None else beside.measures,
        **shared,
    )


def _beside(view: View, store: RunStore, runs: list[Run], selection: Selection) -> pd.DataFrame:
    """The frame of each run under its name, all of one layer and channel: where none is named, those of the first run."""
    named = captures_beside(store, runs) if view.runs == "capture" else quantized_beside(runs)
    parts = []
    for label, run in named.items():
        frame = view.query(store, [run], selection)
        for field in ("layer", "channel"):
            if field in view.takes and field in frame and getattr(selection, field) is None:
                selection = replace(selection, **{field: frame[field].iat[0]})
        parts.append(_named(view.beside.thinned(frame, len(named)), dict(run_id=run.run_id, label_run=label)))
    return pd.concat(parts, ignore_index=True)


def _named(frame: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    rest = frame.drop(columns=[name for name in names if name in frame])
    return pd.concat([pd.DataFrame(names, index=rest.index), rest], axis=1)


def _unnamed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=list(_RUN))


def _drawn(draw, frame: pd.DataFrame, selection: Selection) -> go.Figure:
    parts = frame.groupby("run_id", sort=False)
    return side_by_side([(escaped(part["label_run"].iat[0]), draw(part, selection)) for _, part in parts])
