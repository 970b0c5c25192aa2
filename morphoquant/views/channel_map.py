"""View: a measure of every channel over the depth."""

from morphoquant.core.meanings import ABSMAX, DISPERSION, KURTOSIS
from morphoquant.figures.channel_map import channel_map as draw
from morphoquant.queries.channel_map import channel_map
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("absmax", "Largest |activation|", "activation units", log=True, meaning=ABSMAX),
    Measure("kurtosis", "Kurtosis", "1", log=True, meaning=KURTOSIS),
    Measure("dispersion", "Dispersion score", "activation units", log=True, meaning=DISPERSION),
)

VIEWS.add(
    "channel_map",
    View(
        name="channel_map",
        title="Channels through the depth",
        question="Which channels stay large through the model, and in which modality?",
        how_to_read="A row is a layer input, a column a channel; bright columns that run down stay large through the depth. "
        "Unless a kind of layer is chosen, the inputs are those that read the residual stream of one part, by itself the "
        "language model's.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        runs="capture",
        query=lambda store, runs, selection: channel_map(capture_of(store, runs), selection, chosen(MEASURES, selection).name),
        draw=lambda frame, selection: draw(frame, chosen(MEASURES, selection).axis),
        measures=MEASURES,
    ),
)
