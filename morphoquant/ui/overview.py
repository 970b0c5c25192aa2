"""What the overview says of a capture: its size, its strongest outliers, its model, and where the numbers come from."""

import re
from importlib.resources import files

import pandas as pd
import streamlit as st

from morphoquant.core.errors import StoreError
from morphoquant.core.modality import MODALITIES, Position
from morphoquant.figures.theme import three_digits
from morphoquant.takeaway.facts import provenance
from morphoquant.ui import frames
from morphoquant.ui.headline import Figure, headline
from morphoquant.ui.modality_marks import marked
from morphoquant.ui.notes import note, plain
from morphoquant.ui.numbers import count, when
from morphoquant.ui.page import Scene, sentences
from morphoquant.ui.tables import table_panel
from morphoquant.views.base import VIEWS

EMBEDDED = "demo"
_TOKEN = "A token is a piece of text, a patch of an image or of a video, or a slice of sound: one row of a layer's input."
_INPUT = "What a linear layer multiplies; layers that read the same values share one input and its numbers."


def figures(scene: Scene) -> None:
    """Tokens, layer inputs, the strongest outlier, and what the first token does to it."""
    tokens, layers = (frames.run_table(scene.store, scene.capture, table) for table in ("tokens", "layers"))
    with sentences():
        rest, first = (_largest(scene, positions) for positions in ((Position.REST,), (Position.FIRST, Position.REST)))
        ratio = _most_uneven(scene)
    headline(
        [
            Figure("Tokens captured", count(tokens["count"].sum()), _listed(tokens), _TOKEN),
            Figure(
                "Layer inputs", count(layers["group"].nunique()), f"{count(len(layers))} linear layers, every channel", _INPUT
            ),
            Figure(
                "Largest |activation|",
                three_digits(rest["absmax"]),
                f"{marked(rest['modality'])} in {plain(rest['label'])}; {three_digits(first['absmax'])} with first tokens",
                "In units of the activation. The first token of a sequence is kept apart: attention sinks live there.",
            ),
            Figure(
                "Widest / median",
                f"{three_digits(ratio['value'])}×",
                f"{marked(ratio['modality'])} in {plain(ratio['label'])}",
                "Largest magnitude of the widest channel over that of the median channel of the same input.",
            ),
        ]
    )


def facts(scene: Scene) -> None:
    """The model card of the embedded model, and the plan of the run."""
    header = scene.capture.header
    if header.stored:
        note(f"This run is shipped with the project (made {when(header.finished)}).{_kept(scene)}")
    if header.plan.model.get("id") == EMBEDDED:
        card = files("morphoquant.models").joinpath("embedded", "README.md")
        if card.is_file():
            with st.expander("The embedded model: what it is made of, what it can do and where it fails"):
                st.markdown(_demoted(card.read_text(encoding="utf-8")))
    with st.expander("Where these numbers come from"):
        table_panel(provenance(header), f"plan-{header.run_id}", "provenance")


def _largest(scene: Scene, positions: tuple[Position, ...]) -> pd.Series:
    """The layer input and modality with the largest magnitude.

    Raises:
        StoreError: the filters leave no input.
    """
    frame, address = frames.every_input(scene.store, scene.capture), scene.address
    frame = frame[frame["position"].isin(list(map(str, positions))) & frame["absmax"].notna()]
    if address.modalities:
        frame = frame[frame["modality"].isin(list(map(str, address.modalities)))]
    if address.component:
        frame = frame[frame["component"] == address.component]
    if frame.empty:
        raise StoreError("no token matches the filters: include more modalities, or another part of the model.")
    return frame.loc[frame["absmax"].idxmax()]


def _most_uneven(scene: Scene) -> pd.Series:
    """The layer input and modality whose channels differ most, from the frame of the page's main chart."""
    selection = frames.with_fields(scene.selection("worst_layers"), measure=None)
    frame = frames.view_frame(scene.store, "worst_layers", scene.inputs(VIEWS["worst_layers"]), selection)
    return frame.loc[frame["value"].idxmax()]


def _listed(tokens: pd.DataFrame) -> str:
    sums = tokens.groupby("modality")["count"].sum()
    return ", ".join(marked(name, count(sums[name])) for name in MODALITIES if name in sums.index)


def _kept(scene: Scene) -> str:
    from morphoquant.queries.histograms import layers_with_histograms

    kept, all_inputs = (
        len(layers_with_histograms(scene.capture)),
        frames.run_table(scene.store, scene.capture, "layers")["group"].nunique(),
    )
    return (
        ""
        if kept == all_inputs
        else f" It keeps the histograms of {kept} of its {all_inputs} layer inputs; all other numbers are whole."
    )


def _demoted(markdown: str) -> str:
    """The text with its headings two levels lower, so that the page keeps one title."""
    return re.sub(r"^#", "###", markdown, flags=re.MULTILINE)
