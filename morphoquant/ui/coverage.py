"""Coverage badges: which modalities reached which part of the model with how many tokens, in red where none did."""

import pandas as pd
import streamlit as st

from morphoquant.queries.coverage import coverage
from morphoquant.queries.experts import expert_tokens, silent_experts
from morphoquant.ui import frames
from morphoquant.ui.modality_marks import mark
from morphoquant.ui.navigate import way
from morphoquant.ui.notes import plain
from morphoquant.ui.numbers import count
from morphoquant.ui.page import Scene
from morphoquant.ui.tables import table_panel

_LISTED = 8


def show_coverage(scene: Scene, *, link: bool = False) -> None:
    """Draws the badges of the capture; with `link`, the way to the page on whether it is enough."""
    inputs = frames.every_input(scene.store, scene.capture)
    found = coverage(scene.capture, inputs)
    with st.container(border=True):
        head, at = st.columns([6, 3], vertical_alignment="center")
        head.markdown("**Coverage**")
        if link:
            with at:
                way("pages/coverage.py", "Have its ranges settled?")
        for component, rows in found.groupby("component", sort=False):
            total = int(rows["inputs"].iat[0])
            badges = "  ".join(badge(row) for row in rows.itertuples())
            st.markdown(f"{plain(component)} :small[({count(total)} input{'s' if total > 1 else ''})]  {badges}")
        silent = silent_experts(scene.capture, inputs)
        for line in expert_lines(silent):
            st.markdown(line)
        if len(silent) and not link:
            with st.expander("Tokens of each expert"):
                table_panel(expert_tokens(scene.capture, inputs), "expert_tokens", "expert_tokens")
        st.caption(
            "Most tokens that an input of the part saw; red: none at all, or inputs that a modality never reached. "
            "A range that is set without a modality holds nothing of it."
        )


def badge(row) -> str:
    """A row of `coverage` as Markdown: tokens of the modality, and inputs that it did not reach."""
    if not row.reached:
        return f":red-badge[{row.modality}: no token]"
    # A background alone: the words of a grey badge are grey too, of contrast 3 where WCAG 2.2 (1.4.3) asks for 4.5.
    tokens = f":gray-background[:small[{mark(row.modality)} {row.modality} {count(row.tokens)}]]"
    missed = row.inputs - row.reached
    return tokens + (f" :red-badge[{row.modality}: none in {count(missed)} of {count(row.inputs)} inputs]" if missed else "")


def expert_lines(silent: pd.DataFrame) -> list[str]:
    """Sentences on experts, the containers with most silent ones first; none for a model without experts."""
    if silent.empty:
        return []
    numbers = silent["silent"].str.split().map(len)
    if not numbers.sum():
        return [f"experts  :gray-background[:small[all {count(silent['numbered'].sum())} saw tokens]]"]
    lines = [f"experts  :red-badge[{count(numbers.sum())} of {count(silent['numbered'].sum())} saw no token]"]
    worst = silent.assign(n=numbers).sort_values("n", ascending=False, kind="stable")
    for row in worst[worst["n"] > 0].head(_LISTED).itertuples():
        some = ", ".join(row.silent.split()[:_LISTED])
        more = f" and {row.n - _LISTED} more" if row.n > _LISTED else ""
        lines.append(f":small[{plain(row.experts)}: {some}{more}]")
    return lines
