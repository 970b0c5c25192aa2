"""The figures at the head of the pages that look at one layer input."""

from morphoquant.figures.theme import three_digits
from morphoquant.queries.depth import DEPTH_MEASURES
from morphoquant.queries.input_measures import selected
from morphoquant.ui import frames
from morphoquant.ui.headline import Figure
from morphoquant.ui.modality_marks import marked
from morphoquant.ui.page import Scene

_SHOWN = {
    "absmax": ("Largest |activation|", "", "In units of the activation."),
    "max_median_ratio": (
        "Widest / median",
        "×",
        "Largest magnitude of the widest channel over that of the median channel.",
    ),
    "kurtosis": ("Kurtosis", "", "Of all values of the input; 3 for a normal distribution."),
    "dispersion_max": ("Dispersion score", "", "Range of a channel over log(1 + mean magnitude); DABC masks high ones."),
}


def layer_figures(scene: Scene) -> list[Figure]:
    """The worst modality's value of four measures of the chosen layer's input."""
    run, address = scene.capture, scene.address
    group = group_of(scene, address.layer)
    selection = frames.narrow(scene.selection(""), frozenset({"modalities", "positions"}))
    rows = selected(run, selection, moments=True)
    rows = rows[rows["layer"] == group]
    frame = rows[["modality"]].assign(**{name: DEPTH_MEASURES[name](rows) for name in _SHOWN})
    figures = []
    for measure, (label, suffix, meaning) in _SHOWN.items():
        rows = frame[["modality", measure]].dropna().sort_values(measure, ascending=False)
        if rows.empty:
            figures.append(Figure(label, "not measured", "for these filters", meaning))
            continue
        highest = f"{three_digits(rows[measure].iat[0])}{suffix}"
        by_modality = ", ".join(marked(name, three_digits(value)) for name, value in rows.itertuples(index=False))
        figures.append(Figure(label, highest, by_modality, f"The highest of the modalities. {meaning}"))
    return figures


def group_of(scene: Scene, layer: str) -> str:
    """The linear that names the input of `layer`; the layer itself if the run does not know it."""
    layers = frames.run_table(scene.store, scene.subject, "layers")
    found = layers.loc[layers["layer"] == layer, "group"]
    return str(found.iat[0]) if len(found) else layer
