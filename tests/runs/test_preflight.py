"""The preflight: predictions against what is measured, and what stands in the way, named."""

import numpy as np
import psutil
import pytest
import torch
from fixtures.saved_models import save_llava
from fixtures.small_loaded import small_items, small_loaded

from morphoquant.commands.workload import Workload
from morphoquant.core.errors import ModelError, SpecError
from morphoquant.core.layers import Component
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.hooks.collector import Collector
from morphoquant.hooks.components import components
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.methods.options import parse_method
from morphoquant.models.load import load
from morphoquant.runs.capture import SHARD, capture
from morphoquant.runs.eager import eager_attention, watching_attention
from morphoquant.runs.full_pass import FullPass, Labels
from morphoquant.runs.least import Fitted, held_whole, least_budget
from morphoquant.runs.predicted_sizes import (
    cache_bytes,
    fine_bytes,
    in_units,
    inputs_of,
    inside_bytes,
    statistics_bytes,
    waiting_bytes,
)
from morphoquant.runs.preflight import Data, preflight
from morphoquant.runs.sequences import KEPT
from morphoquant.runs.taps import taps_of, watching
from morphoquant.stats.bins import BIN_COUNT
from morphoquant.stats.channel_stats import ChannelStats

ALL = frozenset(CONTENT)
PLENTY = {"memory": 2**50, "disk_free": 2**50}


@pytest.fixture(scope="module")
def small():
    return small_loaded()


def found(loaded, tmp_path, modalities=ALL, keep_rows=16, samples=8, tokens=100, **other):
    data = Data("some data", samples, frozenset(modalities), tokens)
    return preflight(loaded.model, loaded.modalities, data, tmp_path, keep_rows=keep_rows, **{**PLENTY, **other})


@pytest.mark.parametrize("tasks", [(0, 1, 2, 3), (0, 1), (0,)])
@pytest.mark.parametrize("keep_rows", [4, 200])
def test_predicted_statistics_bound_the_measured_ones_closely(small, tmp_path, tasks, keep_rows):
    samples = [small_items()[place].sample for place in tasks]
    collector = Collector(keep_rows, 0)
    with ModalityHooks(small.model, collector, small.control) as hooks:
        for sample in samples:
            hooks.run(small.encode([sample]))
    collector.flush()
    modalities = frozenset().union(*(sample.modalities for sample in samples))
    parts = components(small.model)
    linears = {name: module for name, module in small.model.named_modules() if isinstance(module, torch.nn.Linear)}
    widths = {name: (module.in_features, module.out_features) for name, module in linears.items()}
    ran = {layer.name for layer in hooks.layers}
    held, waiting = statistics_bytes(widths, parts, modalities, keep_rows), waiting_bytes(widths, ran)
    assert collector.nbytes <= held + waiting < 1.35 * collector.nbytes
    counts = [stats._fine._counts for stats in collector.stats.values()]
    assert sum(one[one.any((1, 2))].nbytes for one in counts) <= fine_bytes(widths, parts, modalities)
    whole = held + waiting + fine_bytes(widths, parts, modalities)
    assert found(small, tmp_path, modalities, keep_rows).statistics == whole
    assert len({layer.group for layer in hooks.layers}) == sum(name in ran for name in inputs_of(widths))


def test_predicted_disk_bounds_what_a_capture_writes(small, tmp_path):
    samples = [item.sample for item in small_items()]
    run = capture(small.model, [small.encode([one]) for one in samples], store=tmp_path, control=small.control, keep_rows=16)
    written = sum(path.stat().st_size for path in run.folder.iterdir() if path.name != "sequences.parquet")
    assert written < found(small, tmp_path).disk
    assert found(small, tmp_path, samples=5 * SHARD + 1).disk == 6 * found(small, tmp_path, samples=1).disk


def test_the_largest_activation_is_that_of_the_head(small, tmp_path):
    seen = []
    handles = [
        m.register_forward_hook(lambda *a: seen.append(a[-1].numel() * 4))
        for m in small.model.modules()
        if hasattr(m, "in_features")
    ]
    batch = small.encode([small_items()[2].sample])
    with torch.no_grad():
        small.model(**batch)
    for handle in handles:
        handle.remove()
    assert found(small, tmp_path, tokens=batch["input_ids"].shape[1]).activation == max(seen)


def test_shapes_alone_predict_what_the_loaded_model_does(tmp_path):
    folder = str(save_llava(tmp_path / "llava"))
    bare, real = (load(folder, tmp_path, weights=weights) for weights in (False, True))
    assert all(parameter.is_meta for parameter in bare.model.parameters()) and bare.modalities == real.modalities
    told = [found(loaded, tmp_path, {Modality.TEXT, Modality.IMAGE}) for loaded in (bare, real)]
    assert told[0].weights == sum(parameter.nbytes for parameter in real.model.parameters()) and told[1].weights == 0
    assert told[0].statistics == told[1].statistics > 0 and told[0].disk == told[1].disk


def test_a_group_size_names_the_first_layer_that_it_does_not_divide(small, tmp_path):
    specs = [QuantSpec.parse("w4a8-g16"), QuantSpec.parse("w4a4")]
    parts = [Component.LANGUAGE, Component.VISION]
    told = found(small, tmp_path, specs=specs, scope=parts)
    (problem,) = told.problems
    named = components(small.model)
    wrong = [
        name
        for name, module in small.model.named_modules()
        if isinstance(module, torch.nn.Linear) and named[name] in parts and module.in_features % 16
    ]
    assert isinstance(problem, SpecError) and wrong[0] in str(problem) and f"{len(wrong) - 1} layers more" in str(problem)
    assert named[wrong[0]] is Component.VISION, "the language model's widths are multiples of 16"
    assert not found(small, tmp_path, {Modality.TEXT}, specs=specs, scope=parts).problems, (
        "a tower that never runs is not quantised"
    )
    assert not found(small, tmp_path, specs=specs, scope=[Component.LANGUAGE]).problems


def test_a_modality_without_data_is_a_warning_and_no_refusal(small, tmp_path):
    told = found(small, tmp_path, {Modality.TEXT, Modality.VIDEO})
    assert not told.problems
    assert [sentence.split(",")[0] for sentence in told.warnings] == ["the model takes image", "the model takes audio"]
    assert not found(small, tmp_path).warnings and not found(small, tmp_path, {Modality.TEXT}, keep_rows=None).warnings


def test_a_budget_needs_disk_for_what_it_sets_aside(small, tmp_path):
    specs, scope = [QuantSpec.parse("w4a4"), QuantSpec.parse("w8a8")], (Component.LANGUAGE,)
    free, bound = (found(small, tmp_path, specs=specs, scope=scope, budget=budget).disk for budget in (None, 10**9))
    assert bound == 2 * free > 0
    asked = Data("some data", 8, frozenset(ALL), 100, asked=50)
    told = preflight(small.model, ALL, asked, tmp_path, keep_rows=None, specs=specs, scope=scope, budget=10**9, **PLENTY)
    assert told.disk == told.quantised > 0


def test_too_little_memory_or_disk_is_a_refusal_with_the_figures(small, tmp_path):
    plenty = found(small, tmp_path)
    assert not plenty.problems and not found(small, tmp_path, memory=plenty.needed, disk_free=plenty.disk).problems
    (memory,) = found(small, tmp_path, memory=plenty.needed - 1).problems
    (disk,) = found(small, tmp_path, disk_free=plenty.disk - 1).problems
    assert isinstance(memory, ModelError) and in_units(plenty.statistics) in str(memory) and "--keep-rows from 16" in str(memory)
    assert isinstance(disk, ModelError) and in_units(plenty.disk) in str(disk) and "--cache" in str(disk)
    linears = [
        m
        for n, m in small.model.named_modules()
        if isinstance(m, torch.nn.Linear) and components(small.model)[n] is Component.LANGUAGE
    ]
    fitted = found(small, tmp_path, keep_rows=None, specs=[QuantSpec.parse("w4a4")] * 3, scope=[Component.LANGUAGE])
    assert fitted.statistics == fitted.disk == 0
    assert fitted.quantised == 3 * sum(module.weight.nbytes for module in linears)


def test_a_device_has_memory_of_its_own(small, tmp_path):
    plain = found(small, tmp_path)
    assert plain.device_memory is None and plain.counters == 0 and not any("device" in line for line in plain.lines())
    told = found(small, tmp_path, device_memory=2**50)
    stats = ChannelStats(8, 16)
    stats.update(torch.zeros(1, 8), np.zeros(1, np.int8), np.zeros(1, np.uint64))
    slots = (told.disk // stats.nbytes) * 8
    assert told.counters == 4 * BIN_COUNT * slots and not told.problems
    assert told.needed_on_device == told.activation + told.counters
    (problem,) = found(small, tmp_path, device_memory=told.needed_on_device - 1).problems
    assert "the device's memory" in str(problem) and in_units(told.counters) in str(problem)
    assert "device at most" in "\n".join(told.lines())


def test_batches_are_made_on_the_device_of_the_model(tmp_path):
    bare = load(str(save_llava(tmp_path / "llava")), tmp_path, weights=False)
    samples = [small_items()[place].sample for place in (0, 1)]
    batches = list(Workload(bare, samples, {})[:])
    assert len(batches) == 2 and {value.device.type for batch in batches for value in batch.values()} == {"meta"}


def test_the_machine_is_asked_where_nothing_is_given(small, tmp_path):
    told = found(small, tmp_path / "not" / "there", memory=None, disk_free=None)
    assert told.memory > 2**20 and told.disk_free > 2**20


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB")])
def test_sizes_are_told_in_the_largest_unit(size, text):
    assert in_units(size) == text
    assert in_units(int(np.int64(size))) == text


def test_keys_and_values_are_those_of_the_cache(small):
    batch = small.encode([small_items()[2].sample], answers=False)
    with torch.no_grad():
        made = small.model(**batch, use_cache=True).past_key_values
    held = sum(one.keys.nbytes + one.values.nbytes for one in made.layers)
    tokens = batch["input_ids"].shape[1]
    assert cache_bytes(small.model.config, tokens, 1) == held and cache_bytes(small.model.config, tokens, 12) == 12 * held


def test_what_is_recorded_inside_is_foreseen(small):
    taps, labels = taps_of(small.model, {Component.LANGUAGE}), Labels()
    full, batch = FullPass(labels), small.encode([small_items()[3].sample])
    with (
        eager_attention(small.model),
        ModalityHooks(small.model, labels, small.control) as hooks,
        watching(small.model, taps, full.before, full.after),
        watching_attention(small.model, taps, full.attention),
    ):
        hooks.run(batch)
    states, maps = (
        [one.nbytes for kept in some for one in kept.values()] for some in ((full.given, full.states), (full.weights,))
    )
    plain, shown = (inside_bytes(small.model.config, batch["input_ids"].shape[1], blocks) for blocks in (0, len(taps)))
    assert len(maps) == len(taps) > 1 and shown - plain == sum(maps)
    assert sum(states) + sum(maps) < shown < sum(states) + sum(maps) + 9 * max(maps)


def test_questions_share_forwards_and_leave_the_head_out(small, tmp_path):
    alone, asked = (Data("", 8, ALL, 10, tokens) for tokens in (0, 100))
    told = [preflight(small.model, ALL, data, tmp_path, keep_rows=None, rows=4, **PLENTY) for data in (alone, asked)]
    language = [m for n, m in small.model.named_modules() if components(small.model).get(n) is Component.LANGUAGE]
    widest = max(max(module.in_features, module.out_features) for module in language)
    assert told[1].activation == max(told[0].activation, 4 * 4 * 100 * widest) > told[0].activation


def test_what_is_beside_is_needed_and_what_is_left_is_spare(small, tmp_path):
    beside = {"keys and values": 10**9}
    data = Data("", 8, ALL, 10)
    found = preflight(small.model, ALL, data, tmp_path, keep_rows=None, beside=beside, memory=2**31, disk_free=None)
    assert found.needed == found.activation + 10**9 and found.spare == 2**31 - found.needed
    (problem,) = preflight(small.model, ALL, data, tmp_path, keep_rows=None, beside=beside, memory=10**8).problems
    assert "keys and values 953.7 MiB" in str(problem)
    url = preflight(small.model, ALL, data, "s3://bucket/runs", keep_rows=4)
    assert url.disk > 0 and url.disk_free is None and url.lines()[-1].endswith("iB")


def test_methods_are_held_at_once_or_some_at_a_time(small, tmp_path):
    specs, scope = [QuantSpec.parse("w4a4")] * 6, [Component.LANGUAGE]
    every, some = (found(small, tmp_path, specs=specs, scope=scope, at_once=count) for count in (None, 2))
    assert every.quantised == 3 * some.quantised > 0
    assert found(small, tmp_path, captures=5).disk == 5 * found(small, tmp_path).disk


def test_a_budget_that_holds_no_block_is_refused_with_what_it_must_be(small, tmp_path):
    specs, scope, methods = [QuantSpec.parse("w4a4")], [Component.LANGUAGE], [parse_method("rtn")]
    asked = dict(keep_rows=None, specs=specs, scope=scope, methods=methods)
    least = found(small, tmp_path, **asked).least
    assert least > psutil.Process().memory_info().rss, "what the process holds is in it"
    (problem,) = found(small, tmp_path, **asked, budget=1000).problems
    assert isinstance(problem, ModelError) and "1000 bytes is too little" in str(problem) and "--no-preflight" in str(problem)
    assert not found(small, tmp_path, **asked, budget=least + 2**30).problems
    assert found(small, tmp_path, keep_rows=16).least == 0, "a verb without budgets has none"
    (scarce,) = found(small, tmp_path, **asked, memory=10**4).problems
    assert "--memory" not in str(scarce), "a budget would need more than there is"


def test_what_is_held_whole_is_one_input_one_block_and_one_fit():
    widths = {
        f"layers.{block}.{role}": (channels, 10) for block in range(9) for role, channels in (("q_proj", 6), ("down_proj", 20))
    }
    widths |= {f"layers.{block}.k_proj": (6, 4) for block in range(9)}
    parts = dict.fromkeys(widths, Component.LANGUAGE)
    held = {}
    for text in ("rtn", "gptq", "smoothquant+gptq", "spinquant", "qvlm", "omniquant:by=group", "quarot+omniquant", "mbq"):
        fitted = Fitted.of(list(widths), 3, [parse_method(text)], tokens=5, own=2)
        held[text] = held_whole(widths, parts, 50, ALL, 8, fitted, process=7)
    first = held["rtn"]
    assert (first["process"], first["weight"]) == (7, 200)
    assert first["block"] == 4 * 3 * (10 * 6 + 4 * 6 + 10 * 20) and first["summaries"] == 9 * 8 * 6 * 5 * (6 + 20)
    one = {"layers.0.down_proj": (20, 10)}
    assert first["input"] > 2 * statistics_bytes(one, parts, ALL, 8) > 0
    assert held["gptq"]["search"] - first["search"] == 8 * 20**2 == held["smoothquant+gptq"]["search"] - first["search"]
    assert held["spinquant"]["search"] == first["search"], "wide inputs behind a product keep their rotation"
    weights, channels = 10 * 6 + 4 * 6 + 10 * 20, (10 + 6) + (4 + 6) + (10 + 20)
    assert held["qvlm"]["learning"] == (2 + 4 + 4) * weights + 4 * 5 * channels + 4 * 6 * KEPT * 5 * 6
    assert held["omniquant:by=group"]["learning"] == 6 * first["linears"] == held["quarot+omniquant"]["learning"]
    assert held["mbq"]["gradients"] == 2 * (weights + 3 * 5 * channels + 9 * 5 * 6)
    assert not any(first[part] for part in ("learning", "gradients"))
    fitting = 7 + 200 + sum(first[part] for part in ("summaries", "block", "linears", "search"))
    assert [least_budget(first | {"input": 0}, activation) for activation in (0, 10**9)] == [int(fitting / 0.9), fitting + 10**9]
