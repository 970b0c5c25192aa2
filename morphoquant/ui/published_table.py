"""The frame of the page on published tables: which table is looked at, and what is told about it."""

from collections.abc import Mapping

import streamlit as st

from morphoquant.core.selection import Selection
from morphoquant.data.published.tables import Note, PublishedTable, published_tables, read_on, tags
from morphoquant.queries.published import claimed, published, spread, spread_in_words, table_named, wide
from morphoquant.takeaway.asked import Asked
from morphoquant.ui import frames, session
from morphoquant.ui.address import Address
from morphoquant.ui.figure_panel import figure_panel
from morphoquant.ui.headline import Figure
from morphoquant.ui.notes import plain
from morphoquant.ui.tables import table_panel
from morphoquant.views.base import VIEWS


def choose_table(address: Address) -> PublishedTable:
    """The table of `address`, and the menu that changes it.

    Raises:
        UnknownNameError: the address names a table that there is not.
    """
    asked = table_named(address.published)
    labels = {name: one.label for name, one in published_tables().items()}
    with st.sidebar:
        st.selectbox(
            "Published table",
            list(labels),
            format_func=labels.__getitem__,
            key=session.widget("published", asked.name),
            on_change=lambda: session.change(published=session.widget_value("published")),
        )
    return asked


def table_figures(table: PublishedTable) -> list[Figure]:
    """How many numbers the table has, what of them is odd, and how far other sources are from them."""
    cells, between = published(table=table.name), spread(table.name)
    models = [model for model in dict.fromkeys(cells["model"]) if model]
    odd = int((cells["oddity"] != "").sum())
    about = f"{odd} numbers have one of their own" if odd else "on the table as a whole"
    figures = [
        Figure("Numbers in this table", str(len(cells)), plain(", ".join(models)) or "model not told"),
        Figure("Remarks on it", str(len(table.notes)), about if table.notes else "nothing odd was found"),
    ]
    if between.empty:
        return [*figures, Figure("In other sources too", "none", "no other source has one of these methods, models and bits")]
    first = between.iloc[0]
    unit = "points" if first["unit"] == "%" else first["unit"]
    where = plain(f"{first['method']} {first['bits']} on {first['benchmark']}, {first['model']}")
    meaning = "Highest less lowest number that different sources print for one method, model, bits and benchmark."
    return [*figures, Figure("Widest spread across sources", f"{first['spread']:.2f} {unit}", where, meaning)]


def show_table(table: PublishedTable) -> None:
    """The table as printed, with its source and provenance."""
    with st.container(border=True):
        st.markdown(f"**{plain(table.title)}**")
        table_panel(wide(published(table=table.name, blanks=True)), f"published-{table.name}", "published")
        source = table.source
        st.markdown(f"Source: {plain(source.title)}, {plain(table.number)}.")
        st.markdown(f"Provenance: {plain(tags()[table.tag])}. {plain(source.how)} Read on {read_on()}.")
        # Buttons, since the theme's blue of links is the text modality's, which is not readable on dark.
        with st.container(horizontal=True):
            for address in source.where:
                st.link_button(plain(address.removeprefix("https://")), address)


def show_figure(table: PublishedTable, store: session.Glance) -> None:
    """The same numbers as dots."""
    view, selection = VIEWS["published"], Selection(measure=table.name)
    cells, figure = (ask(store, view.name, [], selection) for ask in (frames.view_frame, frames.view_figure))
    asked = Asked(view.name, (), selection)
    name = f"published-{table.name}"
    figure_panel(figure, cells, "The same numbers as dots", view.how_to_read, name, asked)


def show_remarks(table: PublishedTable) -> None:
    """What is odd, each sentence with the cells it is about and with how we know."""
    with st.container(border=True):
        st.markdown("**Remarks on this table**")
        if not table.notes:
            st.markdown("Nothing odd was found.")
        else:
            st.markdown("\n".join(f"- {_remark(one)}" for one in table.notes))


def show_spread(table: PublishedTable) -> None:
    """What other sources print for the same methods, models and bits."""
    with st.container(border=True):
        st.markdown("**The same method in other sources**")
        between = spread(table.name)
        if between.empty:
            st.markdown("No other source has one of these methods on the same model, bits and benchmark.")
            return
        shown = spread_in_words(between)
        table_panel(shown, f"published-spread-{table.name}", "spread")
        same = int((between["spread"] == 0).sum())
        st.caption(
            f"{len(between)} numbers stand in more than one source; {same} of them are equal in all. A spread is what protocol, "
            "subset and state of the code do to one and the same method: smaller differences between methods say little."
        )


def show_claims() -> None:
    """Numbers of abstracts for which no table was obtained."""
    with st.expander("What abstracts claim, without a table"):
        frame = claimed()
        frame["tag"] = [tags()[tag] for tag in frame["tag"]]
        table_panel(frame.rename(columns={"tag": "provenance"}), "published-claims", "claims")


def _remark(one: Note) -> str:
    where = "; ".join(dict.fromkeys(_cell(cell) for cell in one.cells))
    about = f" :small[About {plain(where)}.]" if where else ""
    return f"{plain(one.text)}{about} :small[({plain(tags()[one.tag])})]"


def _cell(cell: Mapping[str, str]) -> str:
    return ", ".join(cell[key] for key in ("printed", "bits", "benchmark", "model") if key in cell)
