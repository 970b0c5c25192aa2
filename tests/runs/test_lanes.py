"""Fits side by side are those that are found one after the other, and the first error ends them."""

import threading

import pytest
import torch
from fixtures.pairs import pair
from fixtures.tiny_omni import CONTROL, tiny_batches, tiny_model

import morphoquant
from morphoquant.core.layers import Component
from morphoquant.runs import fitting
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.lanes import lanes, side_by_side
from morphoquant.store.run_store import RunStore

# By group, by block, learned, with memory of all groups, and one with the weights of another.
PAIRS = ("omniquant:steps=2@w4a4", "awq@w4a4", "spinquant:steps=1@w4a4", "morphoquant@w4a4", "gptq@w4a4", "gptq+dabc@w4a4")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    model = tiny_model()
    run = morphoquant.capture(model, tiny_batches(3), store=RunStore(tmp_path_factory.mktemp("c")), control=CONTROL, keep_rows=8)
    return CalibrationInputs(run, model, list(Component))


def test_fits_side_by_side_are_those_one_after_the_other(inputs, monkeypatch):
    pairs, found = [pair(text) for text in PAIRS], []
    for number in (1, 3):
        monkeypatch.setattr(fitting, "lanes", lambda inputs, number=number: number)
        told = []
        found.append(fitting.fit(pairs, inputs, lambda stage, done, total, told=told: told.append((stage, done, total))))
        fits = len(pairs) * len(inputs.groups)
        assert told[0] == ("fitting", 0, fits) and told[-1] == ("fitting", fits, fits)
        assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    for alone, beside in zip(*found, strict=True):
        assert list(alone) == list(beside) == inputs.groups
        for group, fitted in alone.items():
            assert all(torch.equal(weight, beside[group].weights[layer]) for layer, weight in fitted.weights.items())
            assert type(fitted.activation) is type(beside[group].activation)


def test_all_lanes_work_and_torch_has_its_threads_again():
    before, both, seen = torch.get_num_threads(), threading.Barrier(2, timeout=30), []

    def piece():
        both.wait()  # is passed only if another lane is at work
        seen.append((threading.current_thread().name, torch.get_num_threads(), torch.is_grad_enabled()))

    with torch.no_grad():
        side_by_side(iter([piece] * 4), 2)
    assert {name for name, _, _ in seen} == {"lane_0", "lane_1"}
    assert {(threads, learns) for _, threads, learns in seen} == {(1, False)}
    assert torch.get_num_threads() == before


def test_after_an_error_nothing_is_begun():
    begun, failed = [], threading.Event()

    def fails():
        failed.set()
        raise ValueError("this one")

    def pieces():
        yield fails
        for number in range(1000):
            failed.wait(30)
            yield lambda number=number: begun.append(number)

    with pytest.raises(ValueError, match="this one"):
        side_by_side(pieces(), 2)
    assert len(begun) < 1000


def test_lanes_are_bounded_by_memory(inputs, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert lanes(inputs) == 8
    widest = int(inputs.layers["in_features"].max())
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"total": 4 * 3 * 24 * widest**2})())
    assert lanes(inputs) == 3
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"total": 0})())
    assert lanes(inputs) == 1
