"""Buttons that save a figure or a table. The bytes are made when a button is pressed, not when the page is drawn."""

import re

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from morphoquant.figures.paper import render

_LABELS = {".pdf": "PDF", ".svg": "SVG", ".png": "PNG", ".html": "HTML", ".csv": "CSV", ".md": "Markdown", ".tex": "LaTeX"}
_MIME = {
    ".pdf": "application/pdf",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".html": "text/html",
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".tex": "application/x-tex",
}


def save_buttons(
    figure: go.Figure | None, frame: pd.DataFrame, name: str, key: str, suffixes: tuple[str, ...], width: str = "single"
) -> None:
    """One button for each of `suffixes`, in one row.

    Args:
        figure: as drawn for paper, absent for a table.
        frame: the data behind it.
        name: stem of the saved file.
        key: unique on the page.
        suffixes: of `figures.paper.FORMATS`.
        width: column of a paper, "single" or "double".
    """
    with st.container(horizontal=True):
        for suffix in suffixes:
            st.download_button(
                _LABELS[suffix],
                lambda suffix=suffix: render(figure, frame, suffix, width),
                file_name=f"{file_stem(name)}{suffix}",
                mime=_MIME[suffix],
                key=f"save_{key}_{suffix[1:]}",
                on_click="ignore",
            )


def file_stem(name: str) -> str:
    """`name` with everything that a file system or shell might read otherwise as a dash."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")[:120] or "morphoquant"
