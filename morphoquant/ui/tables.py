"""Tables: shown with three significant digits, saved whole as CSV, Markdown and LaTeX."""

import pandas as pd
import streamlit as st

from morphoquant.ui.saving import save_buttons


def table_panel(frame: pd.DataFrame, name: str, key: str) -> None:
    """Shows `frame` and offers it for saving; texts are made when asked for.

    Args:
        frame: column titles carry units.
        name: stem of the saved files.
        key: unique on the page.
    """
    numbers = [column for column in frame if pd.api.types.is_float_dtype(frame[column])]
    columns = {column: st.column_config.NumberColumn(format="%.3g") for column in numbers}
    st.dataframe(frame, hide_index=True, key=f"table_{key}", column_config=columns, placeholder="")
    with st.popover("Save table"):
        save_buttons(None, frame, name, key, (".csv", ".md", ".tex"))
