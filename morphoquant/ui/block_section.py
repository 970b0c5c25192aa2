"""One block of the model, linear by linear, with links to the pages of each."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from morphoquant.figures.theme import three_digits
from morphoquant.ui.address import Address
from morphoquant.ui.modality_marks import marked, marked_subject
from morphoquant.ui.model_page import worst_first
from morphoquant.ui.navigate import way
from morphoquant.ui.notes import plain
from morphoquant.ui.numbers import count
from morphoquant.views.base import Measure

_MOST = 16
_PAGES = {
    "Distribution": "pages/distribution.py",
    "Grid": "pages/grid.py",
    "Layer error": "pages/layer_error.py",
    "What if": "pages/what_if.py",
}


def show_block(frame: pd.DataFrame, address: Address, measure: Measure) -> None:
    """Draws the block of the chosen layer, or of the worst linear where none is chosen.

    Args:
        frame: of a diagram of the model.
        address: what is chosen.
        measure: what the diagram is coloured by.
    """
    ranked = worst_first(frame, measure)
    known = address.layer in set(frame["layer"])
    layer = address.layer if known else ranked["layer"].iat[0]
    row = frame[frame["layer"] == layer].iloc[0]
    own = frame[(frame["part"] == row["part"]) & ((frame["block"] == row["block"]) | pd.isna(row["block"]))]
    with st.container(border=True):
        name = row["part"] if pd.isna(row["block"]) else f"{row['component']}, block {row['block']}"
        st.markdown(
            f"**{plain(name)}**"
            + ("" if known else ": it holds the worst linear; click a cell above, or choose a layer at the left, for another")
        )
        linears = own.drop_duplicates("layer")
        if len(linears) > _MOST:
            kept = [*worst_first(own, measure)["layer"].head(_MOST), layer]
            st.caption(f"{_MOST} of its {count(len(linears))} linears, the worst ones.")
            linears = linears[linears["layer"].isin(kept)]
        for one in linears.itertuples():
            _linear(one, own[own["layer"] == one.layer], address, one.layer == layer and known)
        unit, of = "" if measure.unit == "1" else f" in {measure.unit}", "subject" if "subject" in own else "modality"
        st.caption(plain(f"{measure.label}{unit}; the numbers are of each {of} alone."))


def _linear(one, rows: pd.DataFrame, address: Address, is_chosen: bool) -> None:
    with st.container(key=f"linear_{one.order}"):
        name, values, links = st.columns([4, 3, 6], vertical_alignment="center")
        facts = [f"{count(one.in_features)} to {count(one.out_features)} channels"] if one.in_features else []
        facts += [] if one.group == one.layer else [f"input of {plain(one.group.rpartition('.')[2])}"]
        below = f"  \n:small[{', '.join(facts)}]" if facts else ""
        name.markdown(f"{':red[▸] ' if is_chosen else ''}**{plain(_own_name(one))}**{below}")
        values.markdown(_values(rows))
        with links, st.container(horizontal=True, gap="xsmall"):
            query = replace(address, layer=one.layer, channel=None).to_query()
            for label, page in _PAGES.items():
                way(page, label, query_params=query)


def _own_name(one) -> str:
    """The linear's path within its block."""
    return one.layer.removeprefix(f"{one.part}.").removeprefix(f"{one.block}.")


def _values(rows: pd.DataFrame) -> str:
    series = "subject" if "subject" in rows else "modality"
    known = rows.dropna(subset="value")
    if known.empty:
        return ":small[not measured]"
    mark = marked_subject if series == "subject" else marked
    words = [(mark(name), three_digits(value)) for name, value in zip(known[series], known["value"], strict=True)]
    return ", ".join(f"{name}\u00a0{value}" for name, value in words).replace("-", "\u2011")
