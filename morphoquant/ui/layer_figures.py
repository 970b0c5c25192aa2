"""The figures at the head of the pages that look at one layer input."""

import pandas as pd

from morphoquant.core.layers import short_name
from morphoquant.figures.theme import three_digits
from morphoquant.ui import frames
from morphoquant.ui.headline import Figure
from morphoquant.ui.modality_marks import marked
from morphoquant.ui.page import Scene
from morphoquant.views.base import VIEWS

_SHOWN = {
    "absmax": ("Largest |activation|", "", "In units of the activation."),
    "max_median_ratio": (
        "Widest / median channel",
        "×",
        "Largest magnitude of the widest channel over that of the median channel.",
    ),
    "kurtosis": ("Kurtosis", "", "Of all values of the input; 3 for a normal distribution."),
    "dispersion_max": ("Dispersion score", "", "Range of a channel over log(1 + mean magnitude); DABC masks high ones."),
}


def layer_figures(scene: Scene) -> list[Figure]:
    """The worst modality's value of four measures of the chosen layer's input."""
    layer = scene.address.layer
    group = group_of(scene, layer)
    figures = []
    for measure, (label, suffix, meaning) in _SHOWN.items():
        frame = depth_frame(scene, measure)
        rows = frame[frame["layer"] == group]
        if rows.empty:
            figures.append(Figure(label, "not measured", "for these filters", meaning))
            continue
        rows = rows.sort_values("value", ascending=False)
        highest = f"{three_digits(rows.iloc[0]['value'])}{suffix}"
        by_modality = ", ".join(f"{marked(row.modality)} {three_digits(row.value)}" for row in rows.itertuples())
        figures.append(Figure(label, highest, by_modality, f"The highest of the modalities. {meaning}"))
    return figures


def depth_frame(scene: Scene, measure: str) -> pd.DataFrame:
    """One measure of every layer input, under the page's filters."""
    selection = frames.with_fields(scene.selection("depth_profile"), measure=measure, component=None)
    return frames.view_frame(scene.store, "depth_profile", scene.inputs(VIEWS["depth_profile"]), selection)


def group_of(scene: Scene, layer: str) -> str:
    """The linear that names the input of `layer`; the layer itself if the run does not know it."""
    layers = frames.run_table(scene.store, scene.subject, "layers")
    found = layers.loc[layers["layer"] == layer, "group"]
    return str(found.iat[0]) if len(found) else layer


def sharers(scene: Scene, layer: str) -> str:
    """The linears that share the input, for a caption."""
    layers = frames.run_table(scene.store, scene.subject, "layers")
    names = layers.loc[layers["group"] == group_of(scene, layer), "layer"]
    return ", ".join(short_name(name) for name in names)
