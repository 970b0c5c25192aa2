"""View: perplexity of held-out passages."""

from morphoquant.core.modality import Modality
from morphoquant.figures.answer_dots import Quantity, answer_dots
from morphoquant.queries.evaluations import by_spec, evaluated, full_precision_of
from morphoquant.queries.perplexity import perplexity
from morphoquant.views.base import VIEWS, View

_QUANTITY = Quantity("perplexity", "low", "high", "Perplexity")


def _query(store, runs, selection):
    runs = by_spec(evaluated(runs))
    return perplexity(runs, reference=full_precision_of(store, runs[0]))


def _draw(frame, selection):
    return answer_dots(frame.assign(subject=str(Modality.TEXT), panel="held-out passages"), "panel", _QUANTITY)


VIEWS.add(
    "perplexity",
    View(
        name="perplexity",
        title="Perplexity of text",
        question="What does quantisation do to the prediction of plain text?",
        how_to_read="Lower is better. Intervals are over the passages, which differ much; as all methods read the same "
        "ones, the order of the dots is surer than the intervals look.",
        takes=frozenset(),
        runs="evaluate",
        query=_query,
        draw=_draw,
        most=None,
    ),
)
