"""View: a table of a paper as dots. It is of no run: the numbers are other people's."""

from morphoquant.data.published.tables import published_tables, read_on, tags
from morphoquant.figures.published_dots import published_dots
from morphoquant.queries.published import FULL_PRECISION, published, table_named
from morphoquant.views.base import VIEWS, Measure, View, chosen

# The table is what this view can show several of, so that a link, a command and a bundle name it as they name a measure.
MEASURES = tuple(Measure(name, table.label) for name, table in published_tables().items())


def _source(frame):
    table = table_named(frame["table"].iat[0])
    words = f"Source: {table.source.title}, {table.number}. Provenance: {tags()[table.tag]}. {table.source.how}"
    return f"{words} Read on {read_on()}. None of it was measured here."


VIEWS.add(
    "published",
    View(
        name="published",
        title="Published numbers",
        question="What does a paper's table report?",
        how_to_read="Each panel has an axis of its own. Dotted lines are full precision, one a model, where the table has it; a "
        "column with a single number is in the table alone. Intervals are not among the numbers that we have.",
        takes=frozenset({"measure"}),
        runs="none",
        query=lambda store, runs, selection: published(table=chosen(MEASURES, selection).name),
        draw=lambda frame, selection: published_dots(frame, FULL_PRECISION),
        measures=MEASURES,
        caption=_source,
        least=0,
        most=0,
    ),
)
