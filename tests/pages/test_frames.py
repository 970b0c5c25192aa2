"""What pages keep: drawn once for the filters that a view takes, never another's to change, and gone with what it was made of."""

import shutil

from morphoquant.core.selection import Selection
from morphoquant.ui.frames import view_figure, view_frame
from morphoquant.ui.session import Glance


def test_a_figure_is_drawn_once_for_what_its_view_takes_and_rings(small_runs):
    store, runs = Glance(str(small_runs.store.cache)), [small_runs.rtn4]
    first = view_figure(store, "layer_error", runs, Selection())
    assert view_figure(Glance(str(small_runs.store.cache)), "layer_error", runs, Selection(channel=3)) is first
    ringed = view_figure(store, "layer_error", runs, Selection(layer="model.language_model.layers.1.mlp.down_proj"))
    assert len(ringed.to_dict()["data"]) > len(first.to_dict()["data"])
    assert view_figure(store, "layer_error", [small_runs.rtn8], Selection()) is not first


def test_what_one_page_writes_into_a_frame_no_other_sees(small_runs):
    store, runs = Glance(str(small_runs.store.cache)), [small_runs.capture]
    frame = view_frame(store, "worst_layers", runs, Selection())
    frame["value"] = -1.0
    frame.loc[0, "layer"] = "another"
    again = view_frame(store, "worst_layers", runs, Selection())
    assert (again["value"] > 0).all() and "another" not in set(again["layer"])


def test_an_answer_goes_with_a_run_that_it_was_not_asked_of_but_looked_at(answer_runs, tmp_path):
    shutil.copytree(answer_runs.store.cache / "runs", tmp_path / "runs")
    runs = [answer_runs.quantised["rtn", "w4a4"]]
    assert view_frame(Glance(str(tmp_path)), "accuracy", runs, Selection())["kl"].notna().all()
    shutil.rmtree(tmp_path / "runs" / answer_runs.full.run_id)
    assert view_frame(Glance(str(tmp_path)), "accuracy", runs, Selection())["kl"].isna().all()
