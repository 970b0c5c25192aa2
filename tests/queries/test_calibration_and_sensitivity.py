"""The calibration matrix and the sensitivity ranking: sums by hand, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.answer_runs import FULL, write_run

from morphoquant.core.errors import CompareError, StoreError
from morphoquant.queries.accuracy import accuracy
from morphoquant.queries.calibration_matrix import calibration_matrix, matrix_table
from morphoquant.queries.paired import paired
from morphoquant.queries.sensitivity import ranking_in_words, sensitivity, sum_and_whole
from morphoquant.store.run_store import RunStore

ALONE = replace(FULL, kind="sensitivity", method="rtn", spec="w4a4", capture="capture-1", options={"scope": ["language"]})
A, B = "model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"


def test_the_matrix_has_a_cell_for_each_calibration_set_and_subject(answer_runs):
    frame = calibration_matrix(answer_runs.store, list(answer_runs.matrix.values()))
    assert len(frame) == 25 and frame["label"].unique().tolist() == ["morphoquant w4a4"]
    assert frame["calibration"].unique().tolist() == ["text", "image", "audio", "video", "all"]
    assert frame["subject"].tolist()[:5] == ["text", "image", "audio", "video", "cross-modal"]
    cell = frame.set_index(["calibration", "subject"]).loc[("text", "image")]
    run, full = (accuracy([one], "subject").set_index("subject") for one in (answer_runs.matrix["text"], answer_runs.full))
    assert cell["accuracy"] == run.loc["image", "accuracy"] and cell["full"] == full.loc["image", "accuracy"]
    assert cell["difference"] == pytest.approx(cell["accuracy"] - cell["full"]) and cell["kl"] > 0


def test_a_cell_says_whether_it_differs_from_calibrating_on_all(answer_runs):
    frame = calibration_matrix(answer_runs.store, list(answer_runs.matrix.values())).set_index(["calibration", "subject"])
    tested = paired(answer_runs.matrix["all"], answer_runs.matrix["text"], "subject").set_index("subject")
    assert frame.loc["text", "to_all"].tolist() == tested["difference"].tolist()
    assert frame.loc["text", "verdict"].tolist() == tested["verdict"].tolist()
    assert frame.loc["all", "verdict"].isna().all() and frame.loc["all", "to_all"].isna().all()


def test_the_matrix_of_two_methods_keeps_them_apart(answer_runs):
    runs = [answer_runs.quantised["rtn", "w4a4"], *answer_runs.matrix.values()]
    table = matrix_table(calibration_matrix(answer_runs.store, runs))
    assert table.columns.tolist() == ["method", "calibrated on", *(f"{name} (%)" for name in SUBJECT_ORDER)]
    assert table["method"].tolist() == ["rtn w4a4", *["morphoquant w4a4"] * 5] and table.notna().all(axis=None)


SUBJECT_ORDER = ("text", "image", "audio", "video", "cross-modal")


def test_the_matrix_needs_quantised_runs_and_one_scope(answer_runs):
    with pytest.raises(StoreError, match="--calibrate-on text image audio video all"):
        calibration_matrix(answer_runs.store, [answer_runs.full])
    scoped = replace(answer_runs.matrix["text"].plan, options={"scope": ["vision"]})
    other = write_run(answer_runs.store, scoped, answers=[])
    with pytest.raises(CompareError, match=r"differ in options.scope:.*one seed and one scope"):
        calibration_matrix(answer_runs.store, [answer_runs.matrix["all"], other])
    answer_runs.store.delete(other.run_id)


def harm(group: str | None, subject: str, kl: float, right: int, items: int = 10) -> dict:
    place = dict(group=group, component="language" if group else None, block=int(group[13]) if group else None)
    place["role"] = "down_proj" if group else None
    return place | dict(subject=subject, items=items, kl=kl, agree=right, right=right, full_right=9)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    """Two groups and two subjects: A hurts text most, B hurts image and all together."""
    store = RunStore(tmp_path_factory.mktemp("ranked"))
    rows = [harm(A, "text", 3.0, 7), harm(A, "image", 1.0, 9), harm(B, "text", 0.5, 9), harm(B, "image", 7.5, 4, items=30)]
    rows[1] |= dict(items=30, full_right=27, right=27, agree=27)
    rows[3] |= dict(full_right=27)
    rows += [harm(None, "text", 5.0, 5), harm(None, "image", 12.0, 3, items=30) | dict(full_right=27)]
    return write_run(store, ALONE, sensitivity=rows)


def test_groups_are_ranked_by_mean_kl_over_all_items(ranked):
    frame = sensitivity(ranked).set_index(["subject", "group"])
    assert frame.loc[("all", B), "kl"] == pytest.approx(8.0 / 40) and frame.loc[("all", A), "kl"] == pytest.approx(4.0 / 40)
    assert frame.loc[("text", A), "kl"] == pytest.approx(0.3) and frame.loc[("text", B), "kl"] == pytest.approx(0.05)
    assert frame.loc[("all", B), "rank"] == 1 and frame.loc[("text", A), "rank"] == 2
    assert frame.loc[("text", A), "share"] == pytest.approx(0.3 / 0.35)
    assert frame.loc[("text", A), "changed"] == pytest.approx(0.3)
    assert frame.loc[("text", A), "accuracy_change"] == pytest.approx(-0.2)
    assert frame.loc[("image", B), "block"] == 1 and frame.loc[("image", B), "label"] == "L1 mlp.down_proj"


def test_one_subject_ranks_by_itself(ranked):
    frame = sensitivity(ranked, ("text",))
    assert frame["subject"].unique().tolist() == ["text"] and frame["group"].tolist() == [A, B]
    with pytest.raises(StoreError, match="no item of video"):
        sensitivity(ranked, ("video",))


def test_the_sum_over_groups_stands_against_the_whole(ranked):
    frame = sum_and_whole(ranked).set_index("subject")
    assert frame.loc["text", ["sum", "whole", "ratio"]].tolist() == pytest.approx([0.35, 0.5, 0.5 / 0.35])
    assert frame.loc["all", ["sum", "whole"]].tolist() == pytest.approx([12.0 / 40, 17.0 / 40])
    assert frame.loc["text", ["items", "groups"]].tolist() == [10, 2]
    assert frame.loc["text", ["accuracy_whole", "accuracy_full"]].tolist() == pytest.approx([0.5, 0.9])


def test_a_run_without_the_whole_says_nothing_of_it(ranked, tmp_path):
    rows = [harm(A, "text", 3.0, 7), harm(B, "text", 0.0, 9)]
    frame = sum_and_whole(write_run(RunStore(tmp_path), ALONE, sensitivity=rows))
    assert frame["subject"].tolist() == ["text"] and np.isnan(frame["whole"].iat[0]) and np.isnan(frame["ratio"].iat[0])


def test_the_printed_ranking_has_a_column_a_subject(ranked):
    table = ranking_in_words(sensitivity(ranked), 1)
    assert table.columns.tolist() == ["rank", "group", "component", "KL all (nats)", "KL text (nats)", "KL image (nats)"]
    assert table["group"].tolist() == ["L1 mlp.down_proj"]


def test_another_kind_of_run_is_refused(answer_runs):
    with pytest.raises(StoreError, match="python -m morphoquant sensitivity"):
        sensitivity(answer_runs.full)
