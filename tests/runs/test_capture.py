import numpy as np
import pytest
import torch
from fixtures.tiny_omni import CONTROL, tiny_batches, tiny_model

import morphoquant
from morphoquant.core.errors import BatchError, ModelError
from morphoquant.runs import capture as capturing
from morphoquant.store.run_store import RunStore


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def captured(model, folder, batches=None, **options):
    return morphoquant.capture(model, batches or tiny_batches(), store=folder, control=CONTROL, keep_rows=8, **options)


def test_every_table_is_there_and_every_modality_in_its_place(model, tmp_path):
    run = captured(model, tmp_path)
    stats = run.frame("channel_stats").merge(run.frame("layers")[["layer", "component"]], left_on="group", right_on="layer")
    found = stats.groupby("component")["modality"].agg(set)
    assert found["language"] == {"text", "image", "audio", "video", "special"}
    assert found["vision"] == {"image", "video"}
    assert found["audio"] == {"audio"}
    tables = {"layers", "tokens", "channel_stats", "histograms", "fine_histograms", "token_sample", "sequences"}
    assert set(run.header.tables) == tables | {"settling", "input_measures", "input_histograms"}


def test_counts_are_those_of_the_input(model, tmp_path):
    run = captured(model, tmp_path)
    tokens = run.frame("tokens").groupby("modality")["count"].sum()
    assert tokens.to_dict() == {"text": 48, "special": 8, "image": 8, "audio": 8, "video": 16}
    stats = run.frame("channel_stats", where={"group": "model.language_model.layers.1.mlp.down_proj", "channel": 0})
    assert stats.groupby("modality")["count"].sum().to_dict() == tokens.to_dict()
    histogram = run.table("histograms", where={"group": "model.language_model.layers.1.mlp.down_proj", "channel": 0})
    assert sum(sum(row) for row in histogram["counts"].to_pylist()) == tokens.sum()


def test_first_token_is_apart(model, tmp_path):
    run = captured(model, tmp_path)
    first = run.frame("tokens", where={"position": "first"})
    assert first["modality"].tolist() == ["special"] * 4 and first["count"].tolist() == [1] * 4


def test_statistics_are_those_of_the_rows(model, tmp_path):
    rows = []
    linear = model.model.language_model.layers[0].mlp.down_proj
    handle = linear.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].reshape(-1, 64).clone()))
    with torch.no_grad():
        for batch in tiny_batches():
            model(**batch)
    handle.remove()
    x = torch.cat(rows).double().numpy()
    run = captured(model, tmp_path)
    stats = run.frame("channel_stats", where={"group": "model.language_model.layers.0.mlp.down_proj"})
    pooled = stats.groupby("channel").agg({"min": "min", "max": "max", "sum_abs": "sum", "count": "sum"})
    assert pooled["min"].to_numpy() == pytest.approx(x.min(axis=0))
    assert pooled["max"].to_numpy() == pytest.approx(x.max(axis=0))
    assert pooled["sum_abs"].to_numpy() == pytest.approx(np.abs(x).sum(axis=0), rel=1e-6)
    assert (pooled["count"] == len(x)).all()


def test_equal_plan_answers_from_the_cache(model, tmp_path, monkeypatch):
    run = captured(model, tmp_path)
    monkeypatch.setattr(capturing, "_finish", lambda *_: pytest.fail("ran again"))
    assert captured(model, tmp_path).run_id == run.run_id


def test_shards_and_resumption_equal_the_whole(model, tmp_path, monkeypatch):
    whole = captured(model, tmp_path / "whole")
    monkeypatch.setattr(capturing, "SHARD", 1)
    finish = capturing.RunWriter.write_shard

    def dies_on_the_third(writer, begin, end, tables):
        if begin == 2:
            raise KeyboardInterrupt
        finish(writer, begin, end, tables)

    monkeypatch.setattr(capturing.RunWriter, "write_shard", dies_on_the_third)
    with pytest.raises(KeyboardInterrupt):
        captured(model, tmp_path / "parts")
    monkeypatch.setattr(capturing.RunWriter, "write_shard", finish)
    parts = captured(model, tmp_path / "parts")
    assert parts.run_id == whole.run_id
    keys = ["group", "modality", "position"]
    for name in ("layers", "tokens", "histograms", "token_sample"):
        order = [key for key in [*keys, "channel", "priority", "layer", "sample"] if key in whole.table(name).schema.names]
        one, other = (run.frame(name).sort_values(order).reset_index(drop=True) for run in (whole, parts))
        assert one.map(_plain).equals(other.map(_plain)), name
    one, other = (run.frame("channel_stats").sort_values([*keys, "channel"]).reset_index(drop=True) for run in (whole, parts))
    exact = [*keys, "channel", "count", "nan_count", "inf_count", "min", "max"]
    assert one[exact].equals(other[exact])
    for name in ("mean", "m2", "m3", "m4", "sum_abs"):
        scale = one["m2"].abs().max() if name != "mean" else 1.0
        assert other[name].to_numpy() == pytest.approx(one[name].to_numpy(), rel=1e-6, abs=1e-9 * scale)


def _plain(value):
    return tuple(value) if isinstance(value, np.ndarray) else value


def test_nan_is_counted_and_left_out(model, tmp_path):
    batch = tiny_batches(1)[0]
    batch["pixel_values"][0, 0, 0, 0] = float("nan")
    run = captured(model, tmp_path, [batch])
    stats = run.frame("channel_stats", where={"group": "model.vision_tower.encoder.layer.0.mlp.fc1"})
    assert stats.loc[stats["modality"] == "image", "nan_count"].sum() > 0
    assert stats.loc[stats["modality"] == "video", "nan_count"].sum() == 0
    assert np.isfinite(stats[["min", "max", "mean"]].dropna().to_numpy()).all()


def test_bad_input_is_one_sentence(model, tmp_path):
    with pytest.raises(BatchError, match="no batches"):
        morphoquant.capture(model, [], store=tmp_path)
    with pytest.raises(BatchError, match="input_ids"):
        captured(model, tmp_path, [{"pixel_values": torch.zeros(1, 3, 56, 56)}])
    with pytest.raises(BatchError, match="keep 0"):
        morphoquant.capture(model, tiny_batches(), store=tmp_path, keep_rows=0)
    with pytest.raises(ModelError, match="Linear"):
        morphoquant.capture(_NoLinear(), [{"input_ids": torch.zeros(1, 3, dtype=torch.long)}], store=tmp_path)
    assert {entry.header.status for entry in RunStore(tmp_path).entries()} == {"failed"}


class _NoLinear(torch.nn.Module):
    config = None

    def forward(self, input_ids):
        return input_ids
