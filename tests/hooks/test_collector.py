import numpy as np
import pytest
import torch
from tiny_models import MODELS

from morphoquant.core.modality import Modality, Position, slot
from morphoquant.hooks.collector import Collector
from morphoquant.hooks.modality_hooks import ModalityHooks


def capture(model, batches, first_sample=0):
    collector = Collector(keep_rows=4, seed=3)
    with ModalityHooks(model, collector, first_sample=first_sample) as hooks:
        for batch in batches:
            hooks.run(batch)
    return collector, hooks


def assert_alike(found, expected):
    """Equal statistics at every input, sums apart from the order of adding."""
    assert found.stats.keys() == expected.stats.keys()
    for group, stats in expected.stats.items():
        ours, theirs = found.stats[group].rows(), stats.rows()
        assert ours.keys() == theirs.keys()
        for label in theirs:
            for name in ("count", "min", "max"):
                np.testing.assert_array_equal(ours[label].channel_stats[name], theirs[label].channel_stats[name])
            np.testing.assert_allclose(ours[label].channel_stats["m2"], theirs[label].channel_stats["m2"], rtol=1e-6)
            for name in ("bins", "counts", "largest"):
                np.testing.assert_array_equal(ours[label].histograms[name].values, theirs[label].histograms[name].values)
            np.testing.assert_array_equal(ours[label].token_sample["priority"], theirs[label].token_sample["priority"])


def test_statistics_are_those_of_the_real_inputs():
    model, batch, sequences = MODELS["qwen2_5_omni"]()
    seen = []
    down = model.get_submodule("model.language_model.layers.1.mlp.down_proj")
    handle = down.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
    collector, hooks = capture(model, [batch])
    handle.remove()
    assert set(collector.stats) == {layer.group for layer in hooks.layers}
    rows = collector.stats["model.language_model.layers.1.mlp.down_proj"].rows()
    ids, mask = batch["input_ids"], batch["attention_mask"].bool()
    for modality, index in ((Modality.IMAGE, 90), (Modality.AUDIO, 91), (Modality.VIDEO, 92)):
        x = seen[0][(ids == index) & mask].double().numpy()
        stats = rows[slot(modality, Position.REST)].channel_stats
        assert (stats["count"] == len(x)).all()
        np.testing.assert_array_equal(stats["max"], x.max(0))
        np.testing.assert_array_equal(stats["min"], x.min(0))
        np.testing.assert_allclose(stats["mean"], x.mean(0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(stats["m2"], ((x - x.mean(0)) ** 2).sum(0), rtol=1e-9)


def test_halves_merged_equal_the_whole():
    model, batch, _ = MODELS["qwen2_5_vl"]()
    other = {name: value.clone() for name, value in batch.items()}
    other["pixel_values"] += 1
    other["pixel_values_videos"] -= 1
    whole, _ = capture(model, [batch, other])
    first, _ = capture(model, [batch])
    second, _ = capture(model, [other], first_sample=2)
    second.merge(first)
    assert_alike(second, whole)


@pytest.mark.parametrize("gathered", [0, 10, 70, 5000])
def test_rows_that_wait_are_counted_as_rows_that_do_not(gathered, monkeypatch):
    model, batch, _ = MODELS["qwen2_5_omni"]()
    batches = []
    for number in range(4):
        other = {name: value.clone() for name, value in batch.items()}
        other["pixel_values"] += number
        batches.append(other)
    usual, _ = capture(model, batches)
    monkeypatch.setattr("morphoquant.hooks.collector.GATHERED", gathered)
    found, _ = capture(model, batches)
    assert_alike(found, usual)


def test_rows_that_wait_are_copied():
    collector = Collector(keep_rows=4)
    x, slots, keys = torch.ones(3, 2), torch.zeros(3, dtype=torch.int8), torch.arange(3)
    collector.on_input("one", None, x, slots, keys)
    x.fill_(7.0)
    assert collector.stats["one"].rows()[0].channel_stats["max"].tolist() == [1.0, 1.0]


def test_memory_does_not_grow_with_samples():
    model, batch, _ = MODELS["qwen2_5_vl"]()
    few, _ = capture(model, [batch])
    many, _ = capture(model, [batch] * 10)
    assert many.nbytes == few.nbytes


def test_the_model_computes_what_it_did_before():
    model, batch, _ = MODELS["llava_onevision"]()
    with torch.no_grad():
        bare = model(**batch).logits
    with ModalityHooks(model, Collector()) as hooks:
        watched = hooks.run(batch).logits
    assert torch.equal(bare, watched)


def test_rows_of_two_types_wait_apart():
    collector = Collector(keep_rows=4)
    x = torch.linspace(-3, 3, 12).reshape(4, 3)
    for number, dtype in enumerate((torch.float32, torch.bfloat16, torch.float16, torch.bfloat16)):
        collector.on_input("one", None, x.to(dtype), torch.zeros(4, dtype=torch.int8), torch.arange(4) + 4 * number)
    (columns,) = collector.stats["one"].rows().values()
    expected = torch.cat([x.to(dtype).float() for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.bfloat16)])
    assert columns.channel_stats["count"].tolist() == [16, 16, 16]
    np.testing.assert_allclose(columns.channel_stats["sum_abs"], expected.double().abs().sum(0).numpy(), rtol=1e-12)


WAITING = {
    "a copy to the CPU": lambda x: x.cpu(),
    "one number": lambda x: float(x.sum()),
    "a shape that depends on values": lambda x: x[x > 0],
}


@pytest.mark.parametrize("waits", WAITING.values(), ids=list(WAITING))
def test_a_device_without_values_refuses_what_waits_for_them(waits):
    with pytest.raises((NotImplementedError, RuntimeError)):
        waits(torch.zeros(3, device="meta"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_on_a_device_are_recorded_without_waiting_for_it(dtype):
    collector = Collector(keep_rows=4)
    for number, labels in enumerate(([0, 1, -1], [0, 1, 5], [5, 5, 5])):
        slots, keys = torch.tensor(labels * 20, dtype=torch.int8), torch.arange(60) + 60 * number
        for group, width in (("one", 40), ("other", 5)):
            collector.on_input(group, None, torch.zeros(60, width, dtype=dtype, device="meta"), slots, keys)
    for stats in collector._stats.values():
        assert stats._device.rows == {0: 40, 1: 40, 2: 80} and stats._device.sample.shape[:2] == (3, 4)
    with pytest.raises((NotImplementedError, RuntimeError)):
        collector.stats["one"].rows()
