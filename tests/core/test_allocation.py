"""Specs by group in plans and files: plans without them are what they were."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from morphoquant.core.allocation import Allocation, common_spec, own_fields, spec_in_words, specs_of
from morphoquant.core.errors import SpecError
from morphoquant.core.plan import RunPlan

STORED = sorted((Path(__file__).parents[2] / "cache" / "stored").glob("*/run.json"))
MADE = Allocation("rtn", {"clip": 1.0}, {"a": "w4a4", "b": "w8a8"}, "capture-1", ("sensitivity-1",), ("audio",), 6.0, 6.0, 0.5)


def test_shipped_plans_keep_their_identifiers():
    assert len(STORED) > 5
    for path in STORED:
        header = json.loads(path.read_text())
        assert RunPlan.from_dict(header["plan"]).run_id == header["run_id"]


def test_a_plan_says_how_many_groups_have_which_spec():
    plan = RunPlan("evaluate", {}, {}, {}, 0, "1", method="rtn", fields={"clip": 1.0}, spec="w4a4")
    assert (spec_in_words(plan), specs_of(plan), own_fields(plan)) == ("w4a4", {}, {"clip": 1.0})
    mixed = replace(plan, fields={"clip": 1.0, "specs": {"a": "w8a8", "b": "w16a16", "c": "w8a8"}})
    assert spec_in_words(mixed) == "w4a4 (groups: 1 w16a16, 2 w8a8)"
    assert own_fields(mixed) == own_fields(plan) and mixed.run_id != plan.run_id


def test_the_common_spec_is_that_of_most_groups_then_that_of_fewest_bits():
    assert common_spec({"a": "w4a4", "b": "w8a8", "c": "w8a8"}) == "w8a8"
    assert common_spec({"a": "w8a8", "b": "w4a8"}) == "w4a8"


def test_a_file_reads_back(tmp_path):
    path = tmp_path / "one.json"
    path.write_text(MADE.text())
    assert Allocation.read(path) == MADE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "'one.json' cannot be read"),
        ("{", "cannot be read"),
        ("[]", "is no allocation of this release"),
        (MADE.text().replace('"form": 1', '"form": 2'), "is no allocation of this release"),
        (replace(MADE, specs={}).text(), "is no allocation"),
        (replace(MADE, specs={"a": "w4b4"}).text(), 'cannot read quantisation spec "w4b4"'),
    ],
)
def test_what_is_no_allocation_is_refused(tmp_path, text, sentence):
    path = tmp_path / "one.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SpecError, match=sentence):
        Allocation.read(path)
