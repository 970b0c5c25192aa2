"""The figure panel: title, one line on how to read it, chart, and its export. Every figure of the dashboard stands in one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.layers import short_name
from morphoquant.core.selection import Selection
from morphoquant.store.run_store import Run
from morphoquant.takeaway.asked import Asked, asked_of
from morphoquant.ui import session
from morphoquant.ui.address import Address
from morphoquant.ui.frames import view_figure, view_frame
from morphoquant.ui.kept_figures import to_bundle
from morphoquant.ui.notes import note, plain
from morphoquant.ui.saving import save_buttons
from morphoquant.views.base import VIEWS, View

_WIDTHS = {"single": "single column, 3.5 in", "double": "double column, 7.16 in"}
Click = Callable[[str | None, int | None], None]
Answer = Callable[[Selection], pd.DataFrame]


class Looked(Protocol):
    """What a page looks at: `page.Scene` or `answer_scene.AnswerScene`."""

    store: session.Glance
    address: Address

    def inputs(self, view: View) -> list[Run]:
        """The runs that `view` is asked of."""

    def selection(self, view: str) -> Selection:
        """The filters of one view."""


def panel(
    scene: Looked,
    name: str,
    on_click: Click | None = None,
    slot: str = "",
    answer: Answer | None = None,
    narrow: bool = False,
) -> pd.DataFrame | None:
    """Draws the figure of one view.

    Args:
        scene: what the page looks at.
        name: the view.
        on_click: called with (layer, channel) of a point that the user clicks; either may be absent.
        slot: tells two panels of one view on a page apart.
        answer: gives the frame of the view's query from what the page holds already; absent to ask the query.
        narrow: whether the panel has not the whole width of the page.

    Returns:
        The data of the figure, absent if there is none; the reason is then shown in the panel.
    """
    view, key = VIEWS[name], f"{name}{slot}"
    with st.container(border=True):
        head, measure, export = st.columns([5, 1, 1.5] if narrow else [5, 4, 1.1], vertical_alignment="center")
        head.markdown(f"**{view.title}**{_subject(scene, view)}")
        with measure:
            _measure(scene, view, key)
        try:
            selection = scene.selection(name)
            frame = answer(selection) if answer else view_frame(scene.store, name, scene.inputs(view), selection)
            if frame.empty:
                note("There is nothing to show for these filters: take in more modalities, or the first token.")
                return None
            figure = view.draw(frame, selection) if answer else view_figure(scene.store, name, scene.inputs(view), selection)
        except MorphoQuantError as error:
            note(plain(error))
            return None
        _chart(figure, key, on_click)
        st.caption(plain(view.told(frame, selection)))
        with export, st.popover("Save", width="stretch"):
            _export(figure, frame, _file_name(scene, view), key, asked_of(view, scene.inputs(view), selection))
    return frame


def _chart(figure: go.Figure, key: str, on_click: Click | None) -> None:
    config = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
    if on_click is None:
        st.plotly_chart(figure, key=f"chart_{key}", config=config)
    else:
        st.plotly_chart(
            figure,
            key=f"chart_{key}",
            config=config,
            on_select=lambda: _clicked(f"chart_{key}", on_click),
            selection_mode="points",
        )


def _clicked(key: str, on_click: Click) -> None:
    points = st.session_state[key]["selection"]["points"]
    data = points[0].get("customdata") if points else None
    if data:
        layer, channel = (list(data) + [None, None])[:2]
        on_click(layer, None if channel is None else int(channel))


def _measure(scene: Looked, view: View, key: str) -> None:
    if not view.measures:
        return
    labels = {measure.name: measure.label for measure in view.measures}
    chosen = scene.address.measure(view.name)
    default = view.measures[0].name
    st.selectbox(
        "Measure",
        list(labels),
        format_func=labels.__getitem__,
        key=session.widget(f"measure.{key}", chosen if chosen in labels else default),
        label_visibility="collapsed",
        on_change=lambda: session.choose_measure(view.name, session.widget_value(f"measure.{key}"), default),
    )


@st.fragment
def _export(figure: go.Figure, frame: pd.DataFrame, name: str, key: str, asked: Asked) -> None:
    width = st.radio("Width of PDF, SVG and PNG", list(_WIDTHS), format_func=_WIDTHS.__getitem__, key=f"width_{key}")
    st.caption("Figure for a paper, figure for a browser, data")
    save_buttons(figure, frame, name, key, (".pdf", ".svg", ".png", ".html", ".csv", ".md", ".tex"), width)
    to_bundle(replace(asked, width=width), key)


def _file_name(scene: Looked, view: View) -> str:
    parts = [view.name, scene.inputs(view)[0].run_id]
    if "layer" in view.takes and scene.address.layer:
        parts.append(scene.address.layer)
    return "-".join(parts)


def _subject(scene: Looked, view: View) -> str:
    """The layer and channel that the figure is of, for its title."""
    layer, channel = scene.address.layer, scene.address.channel
    words = f", {plain(short_name(layer))}" if "layer" in view.takes and layer else ""
    return words + (f", channel {channel}" if "channel" in view.takes and channel is not None else "")
