"""Rules on real run folders: what is read, which run is begun with, and that every link leads to a figure."""

import shutil
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from morphoquant.core.errors import StoreError
from morphoquant.core.modality import CONTENT
from morphoquant.core.selection import Selection
from morphoquant.findings.base import RULES, findings, rules
from morphoquant.findings.gather import fitted_to, gather, looked_at_first, subject
from morphoquant.queries.compare import compare_methods
from morphoquant.queries.split import clipping_and_rounding
from morphoquant.store.run_store import RunStore
from morphoquant.views.base import VIEWS

PACKAGE = "morphoquant.findings"


def _all(small_runs):
    for run in [None, *small_runs.quantized, small_runs.dynamic]:
        yield run, findings(gather(small_runs.store, small_runs.capture, run))


def test_each_rule_has_its_file_and_its_name():
    registered = {rule.name for rule in rules()}
    files = {module.name for module in iter_modules(import_module(PACKAGE).__path__)}
    assert registered == set(RULES) and registered <= files and len(registered) >= 10
    for name in registered:
        assert RULES[name].find.__name__ == name and RULES[name].find.__module__ == f"{PACKAGE}.{name}"


def test_every_link_leads_to_a_figure_with_data(small_runs):
    seen = set()
    for _, found in _all(small_runs):
        for one in found:
            for link in (*one.links, *([one.mend.link] if one.mend else [])):
                runs = [small_runs.store.open(run_id) for run_id in link.runs]
                view = VIEWS[link.view]
                frame = view.query(small_runs.store, runs, link.selection)
                assert len(frame) and view.draw(frame, link.selection).data, (one.rule, link)
                seen.add(link.view)
    assert {"channel_ranges", "error_split", "layer_error"} <= seen


def test_every_finding_tells_threshold_source_and_numbers(small_runs):
    rules_seen = set()
    for _, found in _all(small_runs):
        assert [one.severity for one in found] == sorted((one.severity for one in found), reverse=True)
        for one in found:
            rules_seen.add(one.rule)
            assert all(type(value) in (int, float, str) for value in one.numbers.values()), one.rule
            assert one.sentence.endswith(".") and one.numbers and one.source and one.unit and one.links and one.excess >= 0
    assert len(rules_seen) >= 4


def test_the_capture_alone_has_no_errors_to_speak_of(small_runs):
    found = findings(gather(small_runs.store, small_runs.capture, None))
    assert found and all(one.runs == (small_runs.capture.run_id,) and one.mend is None for one in found)


def test_sums_are_those_of_the_queries(small_runs):
    evidence = gather(small_runs.store, small_runs.capture, small_runs.rtn4)
    pooled = compare_methods([small_runs.rtn4], Selection(modalities=CONTENT)).set_index("modality")
    outputs = evidence.errors_of("output")
    worst = outputs.loc[outputs.groupby("modality")["db"].idxmin()].set_index("modality")
    assert worst["db"].to_dict() == pytest.approx(pooled["worst_sqnr_db"].to_dict())
    split = clipping_and_rounding(small_runs.rtn4, Selection(modalities=CONTENT)).dropna(subset="layer")
    inputs = evidence.errors_of("input")
    share = (100 * inputs["clip_sq"] / inputs["error_sq"]).to_list()
    assert share == pytest.approx(split["clip_share_percent"].to_list())


def test_only_runs_of_the_same_bits_that_may_be_compared_give_advice(small_runs):
    evidence = gather(small_runs.store, small_runs.capture, small_runs.rtn4)
    assert {other.run for other in evidence.others} == {small_runs.searched.run_id, small_runs.dynamic.run_id}


def test_the_diagnosis_begins_with_plain_rounding(small_runs):
    runs = fitted_to(small_runs.store, small_runs.capture.run_id)
    assert len(runs) == 5
    first = looked_at_first(runs)
    assert first.plan.method == "rtn" and first.has("grids")
    assert looked_at_first([small_runs.searched, small_runs.dynamic]) == small_runs.dynamic
    assert looked_at_first([]) is None


def test_the_subject_is_the_run_that_is_named(small_runs):
    capture, run = subject(small_runs.store, small_runs.searched.run_id)
    assert (capture.run_id, run.run_id) == (small_runs.capture.run_id, small_runs.searched.run_id)
    capture, run = subject(small_runs.store, small_runs.capture.run_id)
    assert capture.run_id == small_runs.capture.run_id and run is None
    assert subject(small_runs.store, None)[1].plan.method == "rtn"


def test_an_empty_cache_and_a_run_of_answers_are_refused(tmp_path: Path, answer_runs):
    with pytest.raises(StoreError, match="no finished capture"):
        subject(RunStore(tmp_path), None)
    asked = next(entry.run_id for entry in answer_runs.store.entries() if entry.header and entry.header.plan.kind == "evaluate")
    with pytest.raises(StoreError, match="evaluate"):
        subject(answer_runs.store, asked)


def _damaged(small_runs, cache: Path, run_id: str) -> RunStore:
    shutil.copytree(small_runs.store.cache, cache, dirs_exist_ok=True)
    path = cache / "runs" / run_id / "errors.parquet"
    path.write_bytes(path.read_bytes()[:200])
    return RunStore(cache)


def test_a_damaged_run_is_said_and_never_taken_for_one_without_errors(small_runs, tmp_path):
    store = _damaged(small_runs, tmp_path, small_runs.rtn4.run_id)
    with pytest.raises(StoreError, match="is damaged"):
        gather(store, store.open(small_runs.capture.run_id), store.open(small_runs.rtn4.run_id))


def test_a_damaged_run_is_no_advice_for_another(small_runs, tmp_path):
    store = _damaged(small_runs, tmp_path, small_runs.searched.run_id)
    evidence = gather(store, store.open(small_runs.capture.run_id), store.open(small_runs.rtn4.run_id))
    assert {other.run for other in evidence.others} == {small_runs.dynamic.run_id} and len(evidence.errors)
