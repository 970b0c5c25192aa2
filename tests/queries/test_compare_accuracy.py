import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from fixtures.answer_runs import FULL, item, write_run

from morphoquant.cli import main
from morphoquant.core.modality import CONTENT, Position
from morphoquant.core.selection import Selection
from morphoquant.queries.compare import compare_methods
from morphoquant.queries.compare_accuracy import accuracy_columns, compare_accuracy, joined
from morphoquant.queries.evaluations import newest_evaluation
from morphoquant.store.run_store import RunStore

SELECTION = Selection(modalities=CONTENT, positions=(Position.REST,))


def answers(right_of):
    """Answers of ten items of two subjects; `right_of` are right."""
    return [
        item(f"{subject}/{number}", subject, subject, [-1.0, -2.0] if number < right_of else [-2.0, -1.0])
        for subject in ("image", "cross-modal")
        for number in range(10)
    ]


@pytest.fixture
def setting(small_runs, tmp_path):
    """The quantize runs of the made-up model in a store of their own, two of which are evaluated."""
    shutil.copytree(small_runs.store.cache, tmp_path, dirs_exist_ok=True)
    store = RunStore(tmp_path)
    runs = [store.open(run.run_id) for run in small_runs.quantized]
    base = replace(FULL, model=runs[0].plan.model)
    write(store, base, 10)
    evaluations = [write(store, of(run, base), right) for run, right in zip(runs[:2], (9, 4), strict=True)]
    return store, runs, evaluations


def of(run, base, scope=("language",), **more):
    plan = run.plan
    return replace(
        base, capture=plan.capture, method=plan.method, fields=plan.fields, spec=plan.spec, options={"scope": list(scope)}, **more
    )


def write(store, plan, right):
    return write_run(store, plan, answers=answers(right))


def test_evaluated_runs_get_the_accuracy_of_their_method(setting):
    store, runs, evaluations = setting
    found = compare_accuracy(store, runs)
    assert found["run_id"].unique().tolist() == [run.run_id for run in runs[:2]]
    assert found["evaluation"].unique().tolist() == [run.run_id for run in evaluations]
    shares = found.set_index(["run_id", "subject"])["accuracy"]
    assert shares[runs[0].run_id].to_dict() == {"image": 0.9, "cross-modal": 0.9}
    assert shares[runs[1].run_id].to_dict() == {"image": 0.4, "cross-modal": 0.4}
    assert (found["kl"] > 0).all() and set(found["scope"]) == {"language"}


def test_other_scopes_and_captures_are_not_mixed(setting):
    store, runs, _ = setting
    write(store, of(runs[1], replace(FULL, model=runs[0].plan.model), scope=("language", "vision")), 1)
    found = compare_accuracy(store, runs)
    assert found["scope"].nunique() == 1
    other = replace(of(runs[1], FULL), capture="capture-0123456789ab", model=runs[0].plan.model)
    write(store, other, 2)
    assert 0.2 not in compare_accuracy(store, runs)["accuracy"].tolist()


def test_cells_of_a_calibration_matrix_do_not_stand_in_for_the_table(setting):
    store, runs, evaluations = setting
    few = replace(FULL, model=runs[0].plan.model, data=FULL.data | {"samples": 5})
    cells = [write(store, replace(of(runs[0], few), capture=name), 1) for name in ("capture-0123456789ab", runs[0].plan.capture)]
    found = compare_accuracy(store, runs)
    assert set(found["evaluation"]) == {run.run_id for run in evaluations}
    assert newest_evaluation(store).run_id == evaluations[1].run_id
    for run in evaluations:
        shutil.rmtree(run.folder)
    assert newest_evaluation(store).run_id == cells[1].run_id


def test_of_shipped_evaluations_the_one_asked_most_is_looked_at_unasked_and_own_ones_before_it(setting):
    store, runs, evaluations = setting
    few = replace(FULL, model=runs[0].plan.model, data=FULL.data | {"samples": 5})
    last = write(store, of(runs[0], few), 1)
    assert newest_evaluation(store).run_id == last.run_id
    for run in (*evaluations, last):
        shipped = store.cache / "stored" / run.run_id
        shutil.move(run.folder, shipped)
        replace(run.header, stored=True).write(shipped)
    assert newest_evaluation(store).run_id == evaluations[1].run_id
    own = write(store, of(runs[1], few), 1)
    assert newest_evaluation(store).run_id == own.run_id


def test_columns_name_the_scope_and_rows_join(setting):
    store, runs, _ = setting
    found = compare_accuracy(store, runs)
    wide = accuracy_columns(found)
    assert list(wide.columns) == ["image (accuracy, language, %)", "cross-modal (accuracy, language, %)"]
    assert wide.loc[runs[0].run_id].tolist() == pytest.approx([90.0, 90.0])
    compared = compare_methods(runs, SELECTION)
    more = joined(compared, found)
    kept = more[list(compared.columns)].dropna(subset="pooled_sqnr_db").reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, compared, check_dtype=False)
    extra = more[more["pooled_sqnr_db"].isna() & (more["modality"] == "cross-modal")]
    assert extra["run_id"].tolist() == [run.run_id for run in runs[:2]] and (extra["accuracy"] > 0).all()


def test_without_evaluations_nothing_is_added(small_runs):
    runs = small_runs.quantized
    found = compare_accuracy(small_runs.store, runs)
    compared = compare_methods(runs, SELECTION)
    assert found.empty and joined(compared, found).equals(compared) and not len(accuracy_columns(found).columns)


@pytest.mark.parametrize("form", ["text", "csv", "md", "tex", "json"])
def test_the_verb_prints_the_accuracy_in_every_format(setting, capsys, form):
    store, runs, evaluations = setting
    words = ["--cache", str(store.cache), "--format", form]
    assert main(["compare", *(run.run_id for run in runs), *words]) == 0
    said = capsys.readouterr().out
    assert {"json": '"accuracy": 0.9', "csv": "accuracy_low", "text": "quantised: language"}.get(
        form, "accuracy, language"
    ) in said
    if form == "json":
        assert {"cross-modal"} < {row["modality"] for row in json.loads(said)}
    assert main(["compare", *(run.run_id for run in evaluations), *words]) == 0
    assert capsys.readouterr().out.count("90.0") or form in ("csv", "json")
