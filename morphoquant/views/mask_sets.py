"""View: outlier channels by the exact modalities in which they are outliers."""

from morphoquant.figures.upset import upset
from morphoquant.queries.lasting import LASTING_PERCENT
from morphoquant.queries.mask_sets import mask_sets
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("inputs", "Outlier channels of all inputs", "channels of layer inputs"),
    Measure("lasting", "Channels that stay outliers", "channels"),
)


def _query(store, runs, selection):
    return mask_sets(capture_of(store, runs), selection, chosen(MEASURES, selection).name == "lasting")


VIEWS.add(
    "mask_sets",
    View(
        name="mask_sets",
        title="Which modalities share an outlier",
        question="How many outlier channels belong to one modality alone, and which are shared by which?",
        how_to_read="A bar counts the outlier channels of exactly the modalities with a dot below it, as in UpSet (Lex et al., "
        "2014); bars in a modality's colour are its own, and brackets count all that a modality has. Inputs that one of the "
        f"modalities does not reach are left out; channels that stay outliers are so in at least {LASTING_PERCENT:.0f} % of the "
        "inputs that read the residual stream, or of those of the chosen kind of layer.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        runs="capture",
        query=_query,
        draw=lambda frame, selection: upset(frame, f"Count ({chosen(MEASURES, selection).unit})"),
        measures=MEASURES,
    ),
)
