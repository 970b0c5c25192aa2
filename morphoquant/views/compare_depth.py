"""View: methods over the layers, in one modality."""

from dataclasses import replace

from morphoquant.figures.chosen_point import ring_layer
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.figures.method_map import method_map
from morphoquant.figures.theme import SERIES
from morphoquant.queries.compare import compare_depth
from morphoquant.views.base import VIEWS, View, chosen
from morphoquant.views.layer_error import MEASURES

MOST_LINES = 4


def _query(store, runs, selection):
    """Errors of all runs in the first modality that is selected and present."""
    frame = compare_depth(runs, selection, chosen(MEASURES, selection).name)
    return frame[frame["modality"] == frame["modality"].iat[0]].reset_index(drop=True)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    names = list(dict.fromkeys(frame["label_run"]))
    colours = {name: SERIES[place % len(SERIES)] for place, name in enumerate(names)}
    axis = replace(measure, label=f"{measure.label}, {frame['modality'].iat[0]}").axis
    if len(names) > MOST_LINES or (len(names) > 1 and frame["component"].nunique() > 1):
        return ring_layer(method_map(frame, axis, log=measure.log), selection.layer)
    figure = depth_lines(frame, axis, log=measure.log, series="label_run", colour=colours.__getitem__)
    return ring_layer(figure, selection.layer)


VIEWS.add(
    "compare_depth",
    View(
        name="compare_depth",
        title="Methods over the layers",
        question="In which layers does a method help or hurt this modality?",
        how_to_read="For the first of the chosen modalities. Up to four runs of one part of the model are lines, a colour a run; "
        "more are rows sorted by their median layer, with a column a layer. A ring is the chosen layer.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        rings=frozenset({"layer"}),
        runs="many",
        query=_query,
        draw=_draw,
        measures=MEASURES,
        most=None,
    ),
)
