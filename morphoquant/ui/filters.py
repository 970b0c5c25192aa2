"""Filters in the sidebar. Only those are drawn that a view of the page takes; the others keep their values for the next page."""

import pandas as pd
import streamlit as st

from morphoquant.core.modality import MODALITIES, Modality
from morphoquant.ui import session
from morphoquant.ui.address import Address
from morphoquant.ui.labels import layer_labels
from morphoquant.ui.modality_marks import marked

_ALL = "all"


def filters(
    address: Address, layers: pd.DataFrame, tokens: pd.DataFrame, takes: frozenset[str], rings: frozenset[str] = frozenset()
) -> None:
    """Draws the filters.

    Args:
        address: what is chosen now.
        layers: the run's table of layers.
        tokens: the run's table of token counts.
        takes: `Selection` fields that the page's views use.
        rings: fields that only ring a point there: chosen here too, because a click on a point needs a mouse.
    """
    with st.sidebar:
        if (takes | rings) & {"component", "layer"}:
            _component(address, layers)
        if "role" in takes:
            _role(address, layers)
        if "layer" in takes | rings:
            _layer(address, layers, "The page's choice" if "layer" in takes else "none, or click a point")
        if "channel" in takes:
            _channel(address, layers)
        if "modalities" in takes:
            _modalities(address, tokens)
        if "positions" in takes:
            _positions(address)


def _component(address: Address, layers: pd.DataFrame) -> None:
    st.selectbox(
        "Part of the model",
        [_ALL, *layers["component"].drop_duplicates()],
        key=session.widget("component", address.component or _ALL),
        on_change=lambda: session.change(
            component=_absent(session.widget_value("component")), role=None, layer=None, channel=None
        ),
    )


def _role(address: Address, layers: pd.DataFrame) -> None:
    shown = layers if address.component is None else layers[layers["component"] == address.component]
    roles = [_ALL, *shown["role"].drop_duplicates()]
    st.selectbox(
        "Kind of layer",
        roles,
        key=session.widget("role", address.role if address.role in roles else _ALL),
        help="The last part of the layers' names: those of one kind do the same in every block.",
        on_change=lambda: session.change(role=_absent(session.widget_value("role"))),
    )


def _layer(address: Address, layers: pd.DataFrame, absent: str) -> None:
    shown = layers if address.component is None else layers[layers["component"] == address.component]
    labels = layer_labels(shown[["layer", "component"]].itertuples(index=False, name=None))
    st.selectbox(
        "Layer",
        list(labels),
        index=None,
        format_func=lambda layer: labels.get(layer, layer),
        key=session.widget("layer", address.layer if address.layer in labels else None),
        placeholder=absent,
        help="Linears that share one input share its statistics: their figures of the input are the same.",
        on_change=lambda: session.change(layer=session.widget_value("layer"), channel=None),
    )


def _channel(address: Address, layers: pd.DataFrame) -> None:
    widths = layers.loc[layers["layer"] == address.layer, "in_features"]
    widest = int(widths.iloc[0]) if len(widths) else int(layers["in_features"].max())
    st.number_input(
        "Channel",
        min_value=0,
        max_value=widest - 1,
        value=None,
        step=1,
        key=session.widget("channel", None if address.channel is None else min(address.channel, widest - 1)),
        placeholder=f"all, or 0 to {widest - 1}",
        on_change=lambda: session.change(channel=session.widget_value("channel")),
    )


def _modalities(address: Address, tokens: pd.DataFrame) -> None:
    present = set(tokens["modality"])
    options = [modality for modality in MODALITIES if modality in present]
    st.pills(
        "Modalities",
        options,
        selection_mode="multi",
        format_func=marked,
        key=session.widget("modalities", [m for m in address.modalities or options if m in options]),
        on_change=lambda: session.change(modalities=_unless_all(session.widget_value("modalities"), options)),
    )


def _positions(address: Address) -> None:
    st.toggle(
        "Include first token",
        key=session.widget("first", address.first),
        help="Row 0 of a sequence is where attention sinks live: it may be a thousand times larger than all other rows.",
        on_change=lambda: session.change(first=session.widget_value("first")),
    )


def _absent(value: str) -> str | None:
    return None if value == _ALL else value


def _unless_all(chosen: list[Modality], options: list[Modality]) -> tuple[Modality, ...]:
    return () if set(chosen) in (set(), set(options)) else tuple(m for m in options if m in chosen)
