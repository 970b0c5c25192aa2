"""The panel of a figure that is of no run: title, chart, one line on how to read it, its export, and its way into the bundle."""

from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from morphoquant.figures.paper import FORMATS, WIDTHS
from morphoquant.takeaway.asked import Asked
from morphoquant.ui.kept_figures import to_bundle
from morphoquant.ui.saving import save_buttons


def figure_panel(figure: go.Figure, frame: pd.DataFrame, title: str, how_to_read: str, name: str, asked: Asked) -> None:
    """Draws a figure and offers it for saving, with the data behind it.

    Args:
        figure: as drawn for paper.
        frame: its data.
        title: plain words.
        how_to_read: one line under the chart.
        name: stem of the saved files, unique on the page.
        asked: what makes the figure again in a bundle.
    """
    with st.container(border=True):
        head, export = st.columns([9, 1], vertical_alignment="center")
        head.markdown(f"**{title}**")
        config = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
        st.plotly_chart(figure, key=f"chart_{name}", config=config)
        st.caption(how_to_read)
        with export, st.popover("Save", width="stretch"):
            _export(figure, frame, name, asked)


@st.fragment
def _export(figure: go.Figure, frame: pd.DataFrame, name: str, asked: Asked) -> None:
    labels = {width: f"{width} column, {inches:g} in" for width, inches in WIDTHS.items()}
    width = st.radio("Width of PDF, SVG and PNG", list(labels), format_func=labels.__getitem__, key=f"width_{name}")
    save_buttons(figure, frame, name, name, FORMATS, width)
    to_bundle(replace(asked, width=width), name)
