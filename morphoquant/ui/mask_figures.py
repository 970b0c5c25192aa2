"""The figures at the head of the page of outlier masks."""

import pandas as pd

from morphoquant.core.meanings import MASKED
from morphoquant.core.modality import CONTENT
from morphoquant.figures.theme import three_digits
from morphoquant.ui import frames
from morphoquant.ui.headline import Figure
from morphoquant.ui.modality_marks import marked
from morphoquant.ui.notes import plain
from morphoquant.ui.page import Scene
from morphoquant.views.base import VIEWS


def mask_figures(scene: Scene) -> list[Figure]:
    """Share of masked channels, the layer with most of them, and the pairs of modalities that agree most and least."""
    masks = frames.view_frame(scene.store, "outlier_mask", scene.inputs(VIEWS["outlier_mask"]), scene.selection("outlier_mask"))
    shares = masks.assign(value=100.0 * masks["masked"] / masks["width"])
    most = shares.loc[shares["value"].idxmax()]
    where = f"{marked(most['modality'])} in {plain(most['label'])}"
    overlap = frames.view_frame(scene.store, "mask_overlap", scene.inputs(VIEWS["mask_overlap"]), scene.selection("mask_overlap"))
    pairs = overlap[overlap["layer"].isna() & overlap["modality"].isin(CONTENT) & overlap["other"].isin(CONTENT)].sort_values(
        "jaccard"
    )
    meaning = (
        "Jaccard index of the two sets of outlier channels, pooled over layers: 1 if they are the same, 0 if none is shared."
    )
    return [
        Figure("Outlier channels, mean", f"{three_digits(shares['value'].mean())} %", "over layer inputs and modalities", MASKED),
        Figure("Most outlier channels", f"{three_digits(most['value'])} %", where, MASKED),
        _pair("Most alike", pairs.iloc[-1:], meaning),
        _pair("Least alike", pairs.iloc[:1], meaning),
    ]


def _pair(label: str, rows: pd.DataFrame, meaning: str) -> Figure:
    if rows.empty:
        return Figure(label, "none", "no two modalities meet in a layer", meaning)
    row = rows.iloc[0]
    return Figure(
        f"{label} (Jaccard)", three_digits(row["jaccard"]), f"{marked(row['modality'])} and {marked(row['other'])}", meaning
    )
