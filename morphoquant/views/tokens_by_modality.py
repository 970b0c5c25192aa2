"""View: tokens by modality."""

from morphoquant.figures.token_bars import token_bars
from morphoquant.queries.sources import capture_of
from morphoquant.queries.tokens import tokens_by_modality
from morphoquant.views.base import VIEWS, View

VIEWS.add(
    "tokens_by_modality",
    View(
        name="tokens_by_modality",
        title="Tokens by modality",
        question="What has the model seen?",
        how_to_read="One bar a modality: tokens of the model's input, padding left out. A statistic of few tokens says little.",
        takes=frozenset({"positions", "modalities"}),
        runs="capture",
        query=lambda store, runs, selection: tokens_by_modality(capture_of(store, runs), selection),
        draw=lambda frame, selection: token_bars(frame),
    ),
)
