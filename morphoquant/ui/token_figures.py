"""The figures at the head of the page of tokens: exact, over all tokens that the capture saw, not only over those it keeps."""

import pandas as pd
import streamlit as st

from morphoquant.core.modality import POSITIONS, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.figures.theme import three_digits
from morphoquant.queries.channels import channel_frame
from morphoquant.store.run_store import RunStore
from morphoquant.ui import session
from morphoquant.ui.headline import Figure
from morphoquant.ui.layer_figures import group_of
from morphoquant.ui.modality_marks import marked
from morphoquant.ui.page import Scene

_MASSIVE = (
    "Massive activations (arXiv 2402.17762) are single values, most often of the first token, that are a hundred and more times "
    "larger than all others."
)


def token_figures(scene: Scene) -> list[Figure]:
    """Largest values of first and of all other tokens of the chosen layer's input, and how far they are apart."""
    first, rest = _of_layer(scene)
    wide = rest.loc[rest["absmax"].idxmax()] if len(rest) else None
    ratio = _ratio(first, rest)
    return [
        _largest(
            "Largest, first token", first, "Largest magnitude, in units of the activation, over all tokens that the capture saw."
        ),
        _largest(
            "Largest, all others", rest, "Largest magnitude, in units of the activation, over all tokens that the capture saw."
        ),
        Figure(
            "First over others", "not measured" if ratio is None else f"{three_digits(ratio)}×", "largest over largest", _MASSIVE
        ),
        Figure(
            "Widest / median",
            "not measured" if wide is None else f"{three_digits(wide['absmax'] / wide['median'])}×",
            "" if wide is None else f"{marked(wide['modality'])}, first token left out",
            "Largest magnitude of the widest channel over that of the median channel, in the modality with the largest value.",
        ),
    ]


def first_token_switch(scene: Scene) -> None:
    """The switch that takes the first token into both figures, where it was seen; the same as the sidebar's."""
    ratio = _ratio(*_of_layer(scene))
    if ratio is None:
        return
    st.toggle(
        f"Show the first token too: its largest value is {three_digits(ratio)} times that of all others",
        key=session.widget("first_here", scene.address.first),
        on_change=lambda: session.change(first=session.widget_value("first_here")),
    )


def _of_layer(scene: Scene) -> list[pd.DataFrame]:
    """Rows of `_extremes` of first tokens and of all others."""
    run, group = scene.capture, group_of(scene, scene.address.layer)
    frame = _extremes(str(scene.store.cache), run.run_id, run.header.finished, group, scene.address.modalities)
    return [frame[frame["position"] == str(position)] for position in POSITIONS]


def _ratio(first: pd.DataFrame, rest: pd.DataFrame) -> float | None:
    return float(first["absmax"].max() / rest["absmax"].max()) if len(first) and len(rest) and rest["absmax"].max() > 0 else None


def _largest(label: str, rows: pd.DataFrame, meaning: str) -> Figure:
    if rows.empty:
        return Figure(label, "not measured", "none of these modalities came first" if "first" in label else "", meaning)
    row = rows.loc[rows["absmax"].idxmax()]
    return Figure(label, three_digits(row["absmax"]), f"{marked(row['modality'])}, channel {row['channel']}", meaning)


@st.cache_data(max_entries=128, show_spinner=False)
def _extremes(cache: str, run_id: str, stamp: str | None, group: str, modalities: tuple[Modality, ...]) -> pd.DataFrame:
    """A row for each position class and modality: absmax, the channel it stands in, and the median channel's."""
    run, rows = RunStore(cache).open(run_id), []
    for position in (Position.FIRST, Position.REST):
        frame = channel_frame(run, Selection(modalities=modalities, positions=(position,)), [group])
        for modality, part in frame.groupby("modality", sort=False):
            at = part.loc[part["absmax"].idxmax()]
            rows.append((str(position), modality, at["absmax"], int(at["channel"]), part["absmax"].median()))
    return pd.DataFrame(rows, columns=["position", "modality", "absmax", "channel", "median"])
