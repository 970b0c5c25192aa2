"""View: channels that stay outliers through the depth."""

from morphoquant.figures.lasting_dots import lasting_dots
from morphoquant.queries.lasting import LASTING_PERCENT, lasting_channels
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, View

VIEWS.add(
    "lasting_channels",
    View(
        name="lasting_channels",
        title="Channels that stay outliers",
        question="Which channels are outliers through the depth, and which modality owns them?",
        how_to_read=f"A dot right of the dotted line is a channel that is an outlier in at least {LASTING_PERCENT:.0f} % of the "
        "inputs, LLM.int8()'s definition (arXiv 2208.07339); a row with one such dot belongs to that modality alone. The inputs "
        "are those of the map above.",
        takes=frozenset({"component", "role", "modalities", "positions"}),
        runs="capture",
        query=lambda store, runs, selection: lasting_channels(capture_of(store, runs), selection),
        draw=lambda frame, selection: lasting_dots(frame, LASTING_PERCENT),
    ),
)
