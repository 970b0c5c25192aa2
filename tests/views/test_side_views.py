"""Views of several runs: coupled axes, one legend, differences that are differences, and refusals that say why."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
import pytest
from fixtures.small_runs import CAPTURE, SmallRuns

from morphoquant.core.errors import CompareError, StoreError, UnknownNameError
from morphoquant.core.modality import CONTENT
from morphoquant.core.selection import Selection
from morphoquant.figures.panels import panels_of
from morphoquant.figures.paper import render
from morphoquant.store.run_store import Run, RunStore
from morphoquant.takeaway.asked import Asked, answer
from morphoquant.takeaway.choose import newest
from morphoquant.views.base import VIEWS

LAYER = "model.language_model.layers.1.mlp.down_proj"
CHOSEN = Selection(component="language", modalities=CONTENT, layer=LAYER)
SEVERAL = sorted(VIEWS.several())
PAYLOAD = 1_000_000


@pytest.fixture(scope="module")
def captures(small_runs: SmallRuns) -> list[Run]:
    """The small capture, and one of other data in which text is twice as large and audio is absent."""
    data = dict(CAPTURE.data, id="made-up-louder", fingerprint="2" * 64)
    plan = replace(CAPTURE, data=data)
    tables = {name: small_runs.capture.frame(name) for name in ("layers", "tokens", "channel_stats", "histograms")}
    tables = {name: frame[frame["modality"] != "audio"] if "modality" in frame else frame for name, frame in tables.items()}
    text = tables["channel_stats"]["modality"] == "text"
    tables["channel_stats"].loc[text, ["min", "max", "sum_abs"]] *= 2
    store = RunStore(small_runs.store.cache.parent / "louder")
    found = []
    for one, frames in ((CAPTURE, None), (plan, tables)):
        with store.writer(one) as writer:
            made = {
                name: [small_runs.capture.table(name) if frames is None else _arrow(small_runs, name, frames[name])]
                for name in tables
            }
            writer.finish(made, {})
        found.append(store.open(one.run_id))
    return found


def _arrow(small_runs: SmallRuns, name: str, frame) -> pa.Table:
    return pa.Table.from_pandas(frame, schema=small_runs.capture.table(name).schema, preserve_index=False)


def asked(small_runs: SmallRuns, captures: list[Run], name: str, selection: Selection = CHOSEN, runs=None):
    view = VIEWS[name]
    runs = runs or (captures if view.runs == "capture" else small_runs.quantized)
    store = RunStore(captures[0].folder.parents[1]) if view.runs == "capture" else small_runs.store
    frame = view.query(store, runs, selection)
    return frame, view.draw(frame, selection)


@pytest.mark.parametrize("name", SEVERAL)
def test_columns_share_their_axes_and_one_legend(small_runs, captures, name):
    frame, figure = asked(small_runs, captures, name)
    view = VIEWS[name]
    runs = captures if view.runs == "capture" else small_runs.quantized
    shown = [run.run_id for run in runs][name.startswith("difference") :]
    assert list(dict.fromkeys(frame["run_id"])) == shown and len(figure.to_json()) < PAYLOAD
    columns = sorted({panel.layout(0).domain for panel in panels_of(figure)})
    assert len(columns) == len(shown)
    rows: dict = {}
    for panel in panels_of(figure):
        rows.setdefault(panel.layout(1).domain, []).append(panel)
    assert any(len(row) == len(shown) for row in rows.values())
    for row in rows.values():
        for side in (0, 1):
            leaders = {panel.layout(side).matches or panel.axes[side] for panel in row}
            assert len(leaders) == 1, "zoom in one column moves the others"
    listed = [trace.name for trace in figure.data if trace.showlegend and trace.name]
    assert len(listed) == len(set(listed))
    heads = " ".join(note.text for note in figure.layout.annotations)
    assert all(f"<b>{label.split()[0]}" in heads for label in frame["label_run"])


@pytest.mark.parametrize("name", ["side_grid_placement", "difference_outlier_mask"])
def test_they_print(small_runs, captures, name):
    frame, figure = asked(small_runs, captures, name)
    assert render(figure, frame, ".pdf", "double").startswith(b"%PDF")


def test_a_panel_that_one_run_lacks_leaves_its_place_empty(small_runs, captures):
    frame, figure = asked(small_runs, captures, "side_channel_ranges")
    names = [panel.row.rpartition("<br>")[2] for panel in panels_of(figure)]
    assert names == ["text", "text", "image", "image", "audio", "video", "video"]
    assert set(frame.loc[frame["run_id"] == captures[1].run_id, "modality"]) == {"text", "image", "video"}


def test_differences_are_those_of_the_rows(small_runs, captures):
    less, figure = asked(small_runs, captures, "difference_channel_ranges")
    text = less[less["modality"] == "text"]
    assert np.allclose(text["value"], text["reference_absmax"]) and (text["value"] > 0).all()
    assert (less.loc[less["modality"] == "image", "value"] == 0).all() and "audio" not in set(less["modality"])
    less, _ = asked(small_runs, captures, "difference_layer_error")
    one, other = (VIEWS["layer_error"].query(small_runs.store, [run], CHOSEN) for run in small_runs.quantized[:2])
    first = less[less["run_id"] == small_runs.quantized[1].run_id]
    assert np.allclose(first["value"], other["value"] - one["value"]) and len(first) == len(one)
    ratio, figure = asked(small_runs, captures, "difference_layer_error", replace(CHOSEN, measure="output_mse"))
    assert np.allclose(ratio["value"], ratio["measured"] / ratio["reference_value"]) and figure.layout.yaxis.type == "log"
    split, _ = asked(small_runs, captures, "difference_error_split")
    alone = [VIEWS["error_split"].query(small_runs.store, [run], CHOSEN)["round_nmse"] for run in small_runs.quantized[:2]]
    assert np.allclose(split["round_nmse"].iloc[: len(alone[0])], alone[1] - alone[0])
    shares, _ = asked(small_runs, captures, "difference_activation_histogram")
    assert (shares["value"] == 0).all(), "the histograms of both are equal"


def test_outliers_are_gained_or_lost(small_runs, captures):
    less, _ = asked(small_runs, captures, "difference_outlier_mask")
    one, other = (VIEWS["outlier_mask"].query(small_runs.store, [run], CHOSEN) for run in captures)
    keys = ["layer", "modality"]
    both = less.merge(one[[*keys, "channels"]], on=keys).merge(other[[*keys, "channels"]], on=keys, suffixes=("_one", "_other"))
    for row in both.itertuples():
        before, after = set(row.channels_one.split()), set(row.channels_other.split())
        found = [set(getattr(row, name).split()) for name in ("both", "gained", "lost")]
        assert found == [before & after, after - before, before - after] and row.value == len(after) - len(before)


def test_all_columns_show_the_layer_and_channel_of_the_first_where_none_is_chosen(small_runs, captures):
    frame, _ = asked(small_runs, captures, "side_grid_placement", Selection(), [small_runs.searched, small_runs.rtn4])
    alone = VIEWS["grid_placement"].query(small_runs.store, [small_runs.searched], Selection())
    assert set(frame["layer"]) == set(alone["layer"]) and set(frame["channel"]) == set(alone["channel"])


@pytest.mark.parametrize(
    ("name", "runs", "error", "sentence"),
    [
        ("side_layer_error", ["rtn4"], CompareError, "2 to 4 runs, 1 is chosen"),
        ("side_layer_error", ["rtn4", "rtn4"], CompareError, "is named twice"),
        ("side_layer_error", ["rtn4", "other_seed"], CompareError, "differ in seed"),
        ("side_channel_ranges", ["rtn4", "rtn8"], CompareError, "stand on one capture"),
        ("side_grid_placement", ["rtn4", "dynamic"], StoreError, "has no fixed grids"),
        ("difference_layer_error", ["capture", "rtn4"], CompareError, "1 is chosen"),
    ],
)
def test_what_must_not_be_compared_is_refused_with_the_reason(small_runs, name, runs, error, sentence):
    with pytest.raises(error, match=sentence):
        VIEWS[name].query(small_runs.store, [getattr(small_runs, run) for run in runs], CHOSEN)


def test_captures_of_two_models_are_refused(small_runs, tmp_path):
    store, plans = RunStore(tmp_path), [CAPTURE, replace(CAPTURE, model=dict(CAPTURE.model, id="another"))]
    for plan in plans:
        with store.writer(plan) as writer:
            writer.finish({"layers": [small_runs.capture.table("layers")]}, {})
    with pytest.raises(CompareError, match="differ in model.id"):
        VIEWS["side_outlier_mask"].query(store, [store.open(plan.run_id) for plan in plans], CHOSEN)


def test_views_of_several_runs_are_asked_by_name_everywhere(small_runs):
    found = answer(
        small_runs.store,
        Asked("side_layer_error", tuple(run.run_id for run in newest(small_runs.store, VIEWS["side_layer_error"]))),
    )
    assert isinstance(found.figure, go.Figure) and 2 <= len(found.runs) <= 4
    beside = small_runs.searched.figure_data("difference_layer_error", beside=small_runs.rtn4)
    assert set(beside["reference_id"]) == {small_runs.searched.run_id}
    assert small_runs.searched.figure_data("side_layer_error", beside="all")["run_id"].iat[0] == small_runs.searched.run_id
    assert "side_layer_error" in set(small_runs.searched.figures()["name"])
    with pytest.raises(UnknownNameError, match="did you mean 'side_layer_error'"):
        VIEWS["side_layer_eror"]
