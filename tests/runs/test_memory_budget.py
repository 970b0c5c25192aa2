"""A memory budget changes where weights, statistics and fits are, and no number."""

import gc
import json
import weakref

import numpy as np
import psutil
import pytest
import torch
from fixtures.pairs import pairs
from fixtures.run_files import contents
from fixtures.saved_models import save_llama, save_llava

import morphoquant
from morphoquant.cli import main
from morphoquant.commands.workload import Workload
from morphoquant.core.errors import ModelError
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Part, Sample, fingerprint
from morphoquant.hooks.collector import GATHERED, Collector
from morphoquant.models.load import load
from morphoquant.quant.linear import QuantizedLinear
from morphoquant.quant.residence import device_of, is_offloaded, is_stand_in, resident, weight_of
from morphoquant.runs import capture as capturing
from morphoquant.runs import capture_in_passes, inputs
from morphoquant.runs import quantize as quantizing
from morphoquant.runs.budget import room
from morphoquant.runs.capture_in_passes import Bounded
from morphoquant.runs.fitting import Held, fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.preflight import Data, preflight
from morphoquant.runs.quantised_model import quantised_model
from morphoquant.runs.scope import parts_of
from morphoquant.stats.channel_stats import place_bytes
from morphoquant.store.run_store import RunStore

# Statistics of a few inputs of the model, and quantised weights of one of its blocks.
ROOM = 300_000
WEIGHTS = 60_000
METHODS = ("rtn@w4a4", "rtn@w16a8")
MORE = ("gptq@w4a8", "smoothquant@w4a8", "morphoquant@w4a4", "masquant@w4a8", "omniquant:steps=2@w4a4-token")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_llava(tmp_path_factory.mktemp("llava")))


@pytest.fixture(scope="module")
def whole(folder, cache):
    return load(folder, cache)


@pytest.fixture(scope="module")
def apart(folder, cache):
    loaded = load(folder, cache, memory=1)
    assert is_offloaded(loaded.model) and all(one.is_meta for one in loaded.model.parameters())
    return loaded


def samples(loaded, count, seed):
    """Some with a picture, some without."""
    rng = np.random.default_rng(seed)
    pictures = [Part(Modality.IMAGE, rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)) for _ in range(count)]
    made = [
        Sample(str(n), "test", (Part(Modality.TEXT, f"look at {n}"), *([picture] if n % 2 else [])), "yes")
        for n, picture in enumerate(pictures)
    ]
    return Workload(loaded, made, {"id": "test", "fingerprint": fingerprint(made), "samples": count})


def captured(loaded, cache, **options):
    load = samples(loaded, 5, 0)
    kept = dict(store=RunStore(cache), identity=loaded.identity, data=load.data, control=loaded.control, keep_rows=8)
    return morphoquant.capture(loaded.model, load, **kept, **options)


@pytest.fixture(scope="module")
def run(whole, cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capturing, "SHARD", 2)
        return captured(whole, cache)


def quantized(loaded, run, cache, *texts, **options):
    load = samples(loaded, 3, 9)
    kept = dict(store=RunStore(cache), identity=loaded.identity, data=load.data, control=loaded.control)
    return morphoquant.quantize(loaded.model, run, load, pairs(*texts), **kept, **options)


def same_tables(one, other):
    assert one.header.tables == other.header.tables and one.run_id == other.run_id
    for name in one.header.tables:
        assert one.table(name).equals(other.table(name)), name


@pytest.mark.parametrize("shard", [2, pytest.param(32, marks=pytest.mark.slow)])
def test_a_capture_in_passes_of_weights_on_the_disk_has_the_same_tables(whole, apart, run, tmp_path, monkeypatch, shard):
    monkeypatch.setattr(capturing, "SHARD", shard)
    wanted = run if shard == 2 else captured(whole, tmp_path / "whole")
    monkeypatch.setattr(capturing, "room", lambda memory, model: ROOM)
    found = captured(apart, tmp_path, memory=1)
    same_tables(wanted, found)
    assert found.header.summary["passes"] > 2
    assert not list((tmp_path / "scratch").glob("*/"))


def test_a_pass_has_the_room_of_the_one_before(apart, tmp_path, monkeypatch):
    """What that counted is written aside and held by nobody; Python's search for cycles is not waited for."""
    made, alive = [], []

    class Watched(Collector):
        def __init__(self, **options):
            super().__init__(**options)
            made.append(weakref.ref(self))

    monkeypatch.setattr(capture_in_passes, "Collector", Watched)
    monkeypatch.setattr(capturing, "room", lambda memory, model: ROOM)
    gc.disable()
    try:
        captured(apart, tmp_path, memory=1, progress=lambda *state: alive.append(sum(one() is not None for one in made)))
    finally:
        gc.enable()
    assert len(made) > 2 and max(alive) == 1


@pytest.mark.slow
def test_a_run_that_lacks_its_end_is_finished_without_the_bound(apart, run, tmp_path, monkeypatch):
    monkeypatch.setattr(capturing, "SHARD", 2)
    monkeypatch.setattr(capturing, "room", lambda memory, model: ROOM)
    with monkeypatch.context() as patch:
        patch.setattr(capturing, "merged", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            captured(apart, tmp_path, memory=1)
    same_tables(run, captured(apart, tmp_path))


@pytest.mark.parametrize("methods", [METHODS, pytest.param(MORE, marks=pytest.mark.slow)])
def test_groups_fitted_a_few_at_a_time_have_the_same_errors(whole, apart, run, cache, tmp_path, monkeypatch, methods):
    monkeypatch.setattr(quantizing, "SHARD", 2)
    wanted = quantized(whole, run, cache, *methods)
    monkeypatch.setattr(quantizing, "room", lambda memory, model: 2 * len(methods) * WEIGHTS)
    monkeypatch.setattr(inputs, "_CHANNELS", 100)
    told = []
    found = quantized(apart, run, tmp_path, *methods, memory=1, progress=lambda *state: told.append(state[0]))
    assert any("pass 3" in stage for stage in told)
    for one, other in zip(wanted, found, strict=True):
        same_tables(one, other)
        assert one.header.summary["cost"] | {"calibration_seconds": 0} == other.header.summary["cost"] | {
            "calibration_seconds": 0
        }


def test_a_stopped_run_goes_on_with_the_groups_that_lack(whole, apart, run, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(quantizing, "SHARD", 2)
    wanted = {one.run_id for one in quantized(whole, run, cache, *METHODS)}
    first, again = [], []

    def stopping(stage, done, total):
        first.append(stage)
        if stage.startswith("measuring, pass 3 of") and done == total:
            raise KeyboardInterrupt

    monkeypatch.setattr(quantizing, "room", lambda memory, model: 2 * len(METHODS) * WEIGHTS)
    with pytest.raises(KeyboardInterrupt):
        quantized(apart, run, tmp_path, *METHODS, memory=1, progress=stopping)
    monkeypatch.setattr(quantizing, "room", lambda memory, model: 4 * len(METHODS) * WEIGHTS)  # so that passes are others
    quantized(apart, run, tmp_path, *METHODS, memory=1, progress=lambda *state: again.append(state[0]))
    assert first[0].startswith("fitting, pass 1 of") and again[0].startswith("fitting, pass 3 of")
    assert contents(tmp_path) == {name: digest for name, digest in contents(cache).items() if name.split("/")[1] in wanted}


def test_a_model_runs_with_weights_and_fits_on_the_disk_as_it_does_in_memory(whole, apart, run, tmp_path):
    methods, scope = pairs("rtn@w4a4", "smoothquant@w4a8", "rtn@w16a8"), parts_of(["language", "vision"])
    batch = next(iter(samples(whole, 2, 5)[1:]))
    wanted = fit(methods, CalibrationInputs(run, whole.model, scope))
    found = fit(methods, CalibrationInputs(run, apart.model, scope), held=Held(folder=tmp_path))
    in_files = {id(w) for fits in wanted[:2] for one in fits.values() for w in one.weights.values()}
    assert len(list(tmp_path.iterdir())) == len(in_files)
    for one, other in zip(wanted, found, strict=True):
        with torch.no_grad(), quantised_model(whole.model, one), quantised_model(apart.model, other):
            assert torch.equal(whole.model(**batch).logits, apart.model(**batch).logits)
            layers = [one for one in apart.model.modules() if isinstance(one, QuantizedLinear)]
            assert layers and all(is_stand_in(layer.weight) for layer in layers)
    assert all(one.is_meta for one in apart.model.parameters())


def test_weights_are_read_where_they_lie(whole, apart):
    name = "model.language_model.layers.1.mlp.down_proj"
    wanted, linear = whole.model.get_submodule(name).weight, apart.model.get_submodule(name)
    assert torch.equal(weight_of(linear), wanted) and linear.weight.is_meta
    with resident(apart.model.get_submodule("model.language_model")):
        assert torch.equal(linear.weight, wanted)
        linear(torch.ones(1, linear.in_features))
        assert torch.equal(linear.weight, wanted)
    assert linear.weight.is_meta and device_of(apart.model) == torch.device("cpu")


def test_half_precision_is_named_in_the_plan_and_measured_in_float32(tmp_path):
    folder, cache = str(save_llama(tmp_path / "llama")), tmp_path / "cache"
    loaded = load(folder, cache, dtype="bfloat16", memory=1)
    assert loaded.identity["dtype"] == "bfloat16" and "dtype" not in load(folder, cache).identity
    run = captured(loaded, cache, memory=2 * psutil.virtual_memory().total)
    (half,) = quantized(loaded, run, cache, "rtn@w16a8", scope=["language"], memory=2 * psutil.virtual_memory().total)
    errors = half.frame("errors", where={"tap": "output"})
    # In bfloat16 itself the outputs of 8 bits would be off by more than their rounding.
    assert set(errors["source"]) == {"activation", "both"} and errors["error_sq"].sum() < 3e-4 * errors["signal_sq"].sum()


def test_what_cannot_be_done_is_said_and_what_can_be_needs_no_more(apart, tmp_path):
    with pytest.raises(ModelError, match="give at least"):
        room(1000, apart.model)
    data = Data("test", 5, apart.modalities, 50)
    needs = [preflight(apart.model, (), data, tmp_path, keep_rows=8, memory=10**6, budget=most) for most in (None, 10**5)]
    assert needs[0].needed > 10**6 > needs[1].needed == 10**5 and [len(one.problems) for one in needs] == [1, 0]
    assert not is_stand_in(torch.zeros(1, 1)) and not is_stand_in(torch.zeros(4, 4))


@pytest.mark.slow
def test_the_verbs_take_a_budget_and_find_the_runs_of_those_without(folder, tmp_path, capsys):
    words = ["--model", folder, "--cache", str(tmp_path), "--samples", "2"]
    assert main(["capture", *words]) == 0
    assert main(["capture", *words, "--memory", "100GB"]) == 0
    assert len(RunStore(tmp_path).entries()) == 1
    asked = ["--items", "2", "--method", "rtn", "--spec", "w4a8"]
    assert main(["compare", *words, "--eval-samples", "2", *asked, "--memory", "100GB", "--format", "json"]) == 0
    kinds = [entry.header.plan.kind for entry in RunStore(tmp_path).entries()]
    assert sorted(kinds) == ["capture", "evaluate", "evaluate", "quantize"]
    assert not list((tmp_path / "scratch").glob("*/"))
    capsys.readouterr()
    for size, said in (("1kB", "give at least"), ("much", "expected a number with its unit")):
        assert main(["capture", *words, "--seed", "1", "--memory", size]) == 2
        assert said in capsys.readouterr().err.strip().splitlines()[-1]
    half = ["--dtype", "bfloat16", "--json"]
    answers = []
    for more in ([], ["--memory", "100GB"]):
        assert main(["evaluate", *words, *asked, *half, *more, "--cache", str(tmp_path / f"half{len(more)}")]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]


def test_weights_that_are_mapped_and_not_read_yet_are_reckoned_as_held(tmp_path):
    width, memory = 4096, 10**10
    (tmp_path / "weight").write_bytes(bytes(4 * width**2))
    mapped = torch.from_file(str(tmp_path / "weight"), shared=False, size=width**2, dtype=torch.float32)
    model = torch.nn.Linear(width, width, bias=False, device="meta")
    model.weight = torch.nn.Parameter(mapped.view(width, width), requires_grad=False)
    held = psutil.Process().memory_info().rss
    assert room(memory, model) < 0.9 * memory - held - 0.9 * mapped.nbytes


def test_rows_that_wait_are_reckoned_as_what_counting_them_will_take():
    linear, slots, keys = torch.nn.Linear(50, 2), torch.tensor([0, 1, 1], dtype=torch.int8), torch.arange(3).to(torch.uint64)
    one = 2 * 50 * place_bytes(8) + 4 * 50 * GATHERED
    bounded = Bounded(Collector(8, 0), 3 * one, set())
    for name in "abcdef":
        bounded.on_input(name, linear, torch.ones(3, 50), slots, keys)
    assert bounded.put_off == {"d", "e", "f"} and bounded.collector.nbytes < bounded.limit
    bounded.collector.flush()
    assert set(bounded.collector.stats) == {"a", "b", "c"} and one < bounded.collector.nbytes <= bounded.limit
