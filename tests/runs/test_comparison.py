import pytest
import torch
from fixtures.pairs import pairs
from torch import nn

from morphoquant.core.errors import SpecError
from morphoquant.runs.comparison import each, honoured, together


def maker(calls, failing=()):
    def make(some):
        names = [method.name for method, _ in some]
        calls.append(names)
        if bad := [name for name in names if name in failing]:
            raise SpecError(f"{bad[0]} cannot.")
        return names

    return make


def test_all_are_made_as_many_at_once_as_there_is_room_for():
    calls = []
    runs, failures = each(pairs("rtn@w4a4", "dabc@w4a4", "mdqfo@w4a4"), maker(calls), 2)
    assert calls == [["rtn", "dabc"], ["mdqfo"]] and runs == ["rtn", "dabc", "mdqfo"] and failures == []


def test_one_that_fails_leaves_the_others_whole():
    calls = []
    wanted = pairs("rtn@w4a4", "dabc@w4a4", "mdqfo@w4a4", "gptq@w4a4")
    runs, failures = each(wanted, maker(calls, failing=("dabc",)), 3)
    assert runs == ["rtn", "mdqfo", "gptq"]
    assert [(one.method, one.spec, one.reason) for one in failures] == [("dabc", "w4a4", "dabc cannot.")]
    assert calls == [["rtn", "dabc", "mdqfo"], ["rtn"], ["dabc"], ["mdqfo"], ["gptq"]]


def test_other_errors_are_not_swallowed():
    def breaks(some):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        each(pairs("rtn@w4a4"), breaks, 1)


def test_a_spec_that_a_method_cannot_honour_is_a_failure_before_any_work():
    fine, failures = honoured(pairs("rtn@w4a4-token", "dabc@w4a4-token"))
    assert [method.name for method, _ in fine] == ["rtn"]
    assert [one.method for one in failures] == ["dabc"] and failures[0].reason.endswith((".", "4a4"))


def test_room_is_that_of_the_weights_and_at_least_one():
    model = nn.Sequential(nn.Linear(10, 20, dtype=torch.float16), nn.ReLU(), nn.Linear(20, 10))
    weights = 4 * 400
    assert together(model, free=8 * weights) == 5  # of the 0.7 that weights may take
    assert together(model, free=0) == 1
