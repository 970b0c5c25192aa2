"""Tables: shown with three significant digits, saved whole as CSV, Markdown and LaTeX."""

import math

import pandas as pd
import streamlit as st

from morphoquant.ui.saving import save_buttons

_MOST_DECIMALS = 4


def table_panel(frame: pd.DataFrame, name: str, key: str) -> None:
    """Shows `frame` and offers it for saving; texts are made when asked for.

    Args:
        frame: column titles carry units.
        name: stem of the saved files.
        key: unique on the page.
    """
    numbers = [column for column in frame if pd.api.types.is_float_dtype(frame[column])]
    columns = {
        column: st.column_config.NumberColumn(format=number_format(frame[column], _in_decibels(column))) for column in numbers
    }
    st.dataframe(frame, hide_index=True, key=f"table_{key}", column_config=columns, placeholder="")
    with st.popover("Save table"):
        save_buttons(None, frame, name, key, (".csv", ".md", ".tex"))


def number_format(values: pd.Series, decibels: bool = False) -> str:
    """How all numbers of a column are written: with one number of decimals, so that 19.1 and 19.0 stand under each other.

    It gives the middle value three digits, and the smallest one. Where that takes too many decimals, all are powers of ten.

    Args:
        values: of the column.
        decibels: whether they are; 0.002 dB is no more than 0.00, since zero is in the middle of their scale.
    """
    sizes = values.abs()
    sizes = sizes[(sizes > 0) & (sizes < math.inf)]
    if sizes.empty:
        return "%.0f"
    decimals = min(max(2 - math.floor(math.log10(sizes.median())), 0), _MOST_DECIMALS)
    if not decibels:
        decimals = max(decimals, -math.floor(math.log10(sizes.min())))
    return f"%.{decimals}f" if decimals <= _MOST_DECIMALS else "%.2e"


def _in_decibels(title: str) -> bool:
    return title.endswith("dB)")
