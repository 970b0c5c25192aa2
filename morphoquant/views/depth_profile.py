"""View: a measure of outliers over the depth of the model."""

from morphoquant.core.meanings import ABSMAX, DISPERSION, KURTOSIS, MASKED, RATIO
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.queries.depth import depth_profile
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("absmax", "Largest |activation|", "activation units", log=True, meaning=ABSMAX),
    Measure("max_median_ratio", "Largest channel over median channel", "1", log=True, meaning=RATIO),
    Measure("kurtosis", "Kurtosis of all values", "1", log=True, meaning=KURTOSIS),
    Measure("dispersion_max", "Largest dispersion score", "activation units", log=True, meaning=DISPERSION),
    Measure("dispersion_mean", "Mean dispersion score", "activation units", log=True, meaning=DISPERSION),
    Measure("masked_share", "Share of outlier channels", "%", meaning=MASKED),
)
_NORMAL_KURTOSIS = 3.0


def _query(store, runs, selection):
    return depth_profile(capture_of(store, runs), selection, chosen(MEASURES, selection).name)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    reference = _NORMAL_KURTOSIS if measure.name == "kurtosis" else None
    return depth_lines(frame, measure.axis, log=measure.log, reference=reference)


VIEWS.add(
    "depth_profile",
    View(
        name="depth_profile",
        title="Outliers over depth",
        question="Where in the model do outliers grow, and for which modality?",
        how_to_read="One point a layer input, one colour a modality; "
        "colours that part show layers where modalities need different grids.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        runs="capture",
        query=_query,
        draw=_draw,
        measures=MEASURES,
    ),
)
