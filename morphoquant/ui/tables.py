"""Tables: shown with three significant digits, saved whole as CSV, Markdown and LaTeX."""

import pandas as pd
import streamlit as st

from morphoquant.figures.theme import three_digits

_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {c: "\\" + c for c in "&%$#_{}"}


def table_panel(frame: pd.DataFrame, name: str, key: str) -> None:
    """Shows `frame` and offers it for saving; texts are made when asked for.

    Args:
        frame: column titles carry units.
        name: stem of the saved files.
        key: unique on the page.
    """
    numbers = [column for column in frame if pd.api.types.is_float_dtype(frame[column])]
    st.dataframe(
        frame,
        hide_index=True,
        key=f"table_{key}",
        column_config={c: st.column_config.NumberColumn(format="%.3g") for c in numbers},
    )
    with st.popover("Save table"):
        save_buttons(frame, name, key)


def save_buttons(frame: pd.DataFrame, name: str, key: str) -> None:
    """One button a format."""
    formats = {"CSV": ("csv", to_csv), "Markdown": ("md", to_markdown), "LaTeX": ("tex", to_latex)}
    with st.container(horizontal=True):
        for label, (suffix, write) in formats.items():
            st.download_button(
                label, lambda write=write: write(frame), f"{name}.{suffix}", key=f"save_{key}_{suffix}", on_click="ignore"
            )


def to_csv(frame: pd.DataFrame) -> str:
    """All digits, absent values empty."""
    return frame.to_csv(index=False)


def to_markdown(frame: pd.DataFrame) -> str:
    """A GitHub table with three significant digits."""
    head = [_cell(column).replace("|", r"\|") for column in frame]
    rows = [[_cell(value).replace("|", r"\|") for value in row] for row in frame.itertuples(index=False)]
    lines = [head, ["---:" if pd.api.types.is_numeric_dtype(frame[column]) else "---" for column in frame], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(frame: pd.DataFrame) -> str:
    """A booktabs table with three significant digits."""
    sides = "".join("r" if pd.api.types.is_numeric_dtype(frame[column]) else "l" for column in frame)
    head = " & ".join(_escaped(_cell(column)) for column in frame)
    rows = "".join(" & ".join(_escaped(_cell(value)) for value in row) + " \\\\\n" for row in frame.itertuples(index=False))
    return f"\\begin{{tabular}}{{{sides}}}\n\\toprule\n{head} \\\\\n\\midrule\n{rows}\\bottomrule\n\\end{{tabular}}\n"


def _cell(value: object) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    return three_digits(value) if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
