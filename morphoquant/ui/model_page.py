"""The page of the model as a diagram: what it is coloured by, and the numbers at its head."""

import pandas as pd
import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.figures.theme import three_digits
from morphoquant.ui import frames, session
from morphoquant.ui.answer_scene import AnswerScene, open_answers
from morphoquant.ui.headline import Figure
from morphoquant.ui.notes import plain
from morphoquant.ui.numbers import count
from morphoquant.ui.page import Scene, open_page
from morphoquant.ui.picker import is_whole, resolve
from morphoquant.views.base import VIEWS, Measure, chosen
from morphoquant.views.model_sensitivity import MEASURE

QUESTION = "Where in the model does it hurt?"
_COLOURS = {
    "model_error": "errors of a quantised run",
    "model_outliers": "outliers of the inputs",
    "model_sensitivity": "sensitivity of the answers",
}
_CHOICE = "model"  # where the address keeps the view: among the measures
_LOW_IS_WORSE = ("worst_sqnr_db", "pooled_sqnr_db", "tokens")


def open_model() -> tuple[Scene | AnswerScene, str]:
    """Draws the frame of the page; returns what it looks at and the view that it shows."""
    offered = _offered()
    wanted = session.peek().measure(_CHOICE)
    view = wanted if wanted in offered else offered[0]
    scene = open_answers(QUESTION, (view,)) if VIEWS[view].runs == "sensitivity" else open_page(QUESTION, (view,))
    if len(offered) > 1:
        st.segmented_control(
            "Coloured by",
            offered,
            format_func=_COLOURS.__getitem__,
            key=session.widget("model_view", view),
            on_change=lambda: session.choose_measure(_CHOICE, session.widget_value("model_view"), offered[0]),
        )
    return scene, view


def model_frame(scene: Scene | AnswerScene, view: str) -> pd.DataFrame:
    """The frame of the diagram."""
    return frames.view_frame(scene.store, view, scene.inputs(VIEWS[view]), scene.selection(view))


def measure_of(scene: Scene | AnswerScene, view: str) -> Measure:
    """What the diagram is coloured by."""
    return chosen(VIEWS[view].measures or (MEASURE,), scene.selection(view))


def worst_first(frame: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """A row for each linear that was measured, the worst first."""
    one = frame.drop_duplicates("layer").dropna(subset="shown")
    return one.sort_values("shown", ascending=measure.name in _LOW_IS_WORSE, kind="stable")


def model_figures(frame: pd.DataFrame, measure: Measure) -> list[Figure]:
    """The worst linear, the middle one, the part of the model with the worse middle, and what is drawn."""
    ranked, linears = worst_first(frame, measure), frame.drop_duplicates("layer")
    unit = "" if measure.unit == "1" else f" {measure.unit.removeprefix('activation ')}"
    middles = ranked.groupby("component")["shown"].median()
    part = middles.idxmin() if measure.name in _LOW_IS_WORSE else middles.idxmax()
    blocks = linears.dropna(subset="block").drop_duplicates(["part", "block"])
    left = len(linears) - len(ranked)
    meaning = f"{measure.label}. {measure.meaning}".strip()
    worst, middle = (f"{three_digits(value)}{unit}" for value in (ranked["shown"].iat[0], ranked["shown"].median()))
    return [
        Figure("Worst linear", worst, plain(ranked["label"].iat[0]), meaning),
        Figure("Middle linear", middle, "half of the linears are worse", meaning),
        Figure("Worst part", part, f"its middle linear: {three_digits(middles[part])}{unit}", meaning),
        Figure("Linears", count(len(linears)), f"in {len(blocks)} blocks" + (f"; {left} not measured, grey" if left else "")),
    ]


def _offered() -> list[str]:
    """The views that the cache has runs for; outliers always, where nothing is there the page says so."""
    entries = session.store().entries()
    kinds = {entry.header.plan.kind for entry in entries if is_whole(entry)}
    try:
        fitted = resolve(entries, session.peek()).fitted
    except MorphoQuantError:
        fitted = ()  # the page is going to tell of a run that is not there
    there = {
        "model_error": any(is_whole(entry) for entry in fitted),
        "model_outliers": True,
        "model_sensitivity": "sensitivity" in kinds,
    }
    return [view for view in _COLOURS if there[view]]
