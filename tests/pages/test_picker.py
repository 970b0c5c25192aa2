"""Which runs an address stands for, and what menus call them."""

from dataclasses import replace

import pytest
from fixtures.small_runs import CAPTURE

from morphoquant.core.errors import UnknownNameError
from morphoquant.store.header import RunHeader
from morphoquant.store.run_store import RunEntry
from morphoquant.ui.address import Address
from morphoquant.ui.labels import layer_labels, run_labels
from morphoquant.ui.picker import resolve


def entry(plan, created: str, status: str = "finished", stored: bool = False) -> RunEntry:
    return RunEntry(plan.run_id, RunHeader(plan.run_id, plan, status, created=created, stored=stored), None)


def quantized(capture: RunEntry, method: str, spec: str = "w4a4", seed: int = 0, **fields):
    return replace(CAPTURE, kind="quantize", seed=seed, capture=capture.run_id, method=method, spec=spec, fields=fields)


OLD = entry(CAPTURE, "2026-01-01T00:00:00+00:00", stored=True)
NEW = entry(replace(CAPTURE, seed=1), "2026-02-01T00:00:00+00:00")
RTN = entry(quantized(OLD, "rtn"), "2026-01-02T00:00:00+00:00")
BOTH = entry(quantized(OLD, "morphoquant", variant="paper"), "2026-01-03T00:00:00+00:00")
WIDE = entry(quantized(OLD, "rtn", "w8a8"), "2026-01-04T00:00:00+00:00")
OTHER_SEED = entry(quantized(OLD, "dabc", seed=9), "2026-01-05T00:00:00+00:00")
OF_NEW = entry(quantized(NEW, "rtn"), "2026-02-02T00:00:00+00:00")
ALL = [OF_NEW, NEW, OTHER_SEED, WIDE, BOTH, RTN, OLD]


def test_the_newest_finished_capture_is_the_default_and_brings_its_own_runs():
    choice = resolve(ALL, Address())
    assert (choice.capture, choice.run, choice.fitted) == (NEW, OF_NEW, (OF_NEW,))


def test_a_capture_that_only_evaluations_use_is_taken_where_there_is_no_other():
    row = entry(replace(CAPTURE, seed=3), "2026-04-01T00:00:00+00:00")
    asked = entry(replace(quantized(row, "rtn"), kind="evaluate"), "2026-04-02T00:00:00+00:00")
    assert resolve([asked, row, *ALL], Address()).capture == NEW
    assert resolve([asked, row], Address()).capture == row
    assert resolve([asked, row, *ALL], Address(capture=row.run_id)).capture == row


def test_gradients_are_nothing_to_look_at():
    plan = replace(quantized(OF_NEW, "rtn"), kind="gradients", capture=NEW.run_id, method=None, spec=None)
    made = entry(plan, "2026-05-01T00:00:00+00:00")
    assert resolve([made, *ALL], Address()) == resolve(ALL, Address())


def test_an_unfinished_run_is_chosen_only_when_there_is_no_other():
    running = entry(replace(CAPTURE, seed=2), "2026-03-01T00:00:00+00:00", "running")
    assert resolve([running, *ALL], Address()).capture == NEW
    assert resolve([running], Address()).capture == running


def test_a_run_with_static_grids_comes_before_a_dynamic_one():
    plan = quantized(OLD, "rtn", "w4a4-token")
    dynamic = entry(plan, "2026-01-09T00:00:00+00:00")
    static = RunEntry(RTN.run_id, replace(RTN.header, tables={"grids": 1}), None)
    assert resolve([dynamic, static, OLD], Address()).run == static


def test_a_quantize_run_in_the_link_brings_its_capture():
    choice = resolve(ALL, Address(run=BOTH.run_id))
    assert (choice.capture, choice.run) == (OLD, BOTH)


def test_before_is_plain_rounding_at_the_same_spec():
    assert resolve(ALL, Address(run=BOTH.run_id)).before == RTN
    assert resolve(ALL, Address(run=WIDE.run_id)).before is None
    assert resolve(ALL, Address(run=BOTH.run_id, before=WIDE.run_id)).before == WIDE
    assert resolve(ALL, Address(run=BOTH.run_id, before="none")).before is None


def test_compared_by_default_are_only_runs_that_may_be():
    assert resolve(ALL, Address(run=BOTH.run_id)).runs == (WIDE, BOTH, RTN)
    assert resolve(ALL, Address(runs=(OTHER_SEED.run_id, RTN.run_id))).runs == (OTHER_SEED, RTN)


def test_a_run_whose_capture_is_gone_is_still_found():
    choice = resolve([RTN], Address())
    assert (choice.capture, choice.run) == (None, RTN)


def test_a_run_that_is_not_there_is_named():
    with pytest.raises(UnknownNameError, match="rtn-w4a4-ffff"):
        resolve(ALL, Address(run="rtn-w4a4-ffff"))


def test_labels_of_runs_never_agree_and_say_what_differs():
    paper, reference = (
        entry(quantized(OLD, "morphoquant", variant=name), "2026-01-03T00:00:00+00:00") for name in ("paper", "x")
    )
    labels = run_labels([*ALL, paper, reference])
    assert len(set(labels.values())) == len(labels)
    assert "variant=paper" in labels[paper.run_id] and "variant" not in labels[RTN.run_id]
    assert "stored" in labels[OLD.run_id]
    assert run_labels([RunEntry("capture-1234", None, "broken")])["capture-1234"].startswith("damaged")


def test_labels_of_layers_never_agree():
    pairs = [("a.layers.0.mlp.up_proj", "language"), ("b.layers.0.mlp.up_proj", "language"), ("c.layers.0.mlp.up_proj", "audio")]
    labels = layer_labels(pairs)
    assert len(set(labels.values())) == 3 and labels["c.layers.0.mlp.up_proj"] == "audio: L0 mlp.up_proj"
