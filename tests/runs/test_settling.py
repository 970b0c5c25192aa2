"""How ranges settle, by captures of a tiny model: against the rows themselves, in shards, over an interruption."""

import numpy as np
import pytest
import torch
from fixtures.tiny_omni import CONTROL, tiny_batches, tiny_model

import morphoquant
from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.hooks.collector import Collector
from morphoquant.queries.settling import settling, still_rising
from morphoquant.runs import capture as capturing
from morphoquant.stats.settling import halvings

DOWN = "model.language_model.layers.1.mlp.down_proj"
BATCHES = tiny_batches(5)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    return captured(model, tmp_path_factory.mktemp("whole"))


def captured(model, folder):
    return morphoquant.capture(model, BATCHES, store=folder, control=CONTROL, keep_rows=4)


def test_halvings_end_with_one_and_all():
    assert halvings(45) == [1, 2, 3, 6, 12, 23, 45] and halvings(1) == [1] and halvings(2) == [1, 2]


def test_shares_are_those_of_the_rows(model, whole):
    rows = []
    linear = model.model.language_model.layers[1].mlp.down_proj
    handle = linear.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0][0].clone()))
    with torch.no_grad():
        for batch in BATCHES:
            model(**batch)
    handle.remove()
    audio = [x[batch["input_ids"][0] == 61].abs().numpy() for x, batch in zip(rows, BATCHES, strict=True)]
    final = np.concatenate(audio).max(0)
    table = whole.frame("settling", where={"group": DOWN, "modality": "audio"})
    assert table["samples"].tolist() == [1, 2, 3, 5]
    for row in table.itertuples():
        seen = np.concatenate(audio[: row.samples])
        share = seen.max(0) / final
        assert row.tokens == len(seen) and row.channels == 64
        assert row.reached == pytest.approx(share.sum(), rel=1e-6) and row.lagging == (share < 0.9).sum()
        assert row.absmax == pytest.approx(seen.max())


def test_shards_and_an_interruption_give_the_same_table(model, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(capturing, "SHARD", 2)
    write = capturing.RunWriter.write_shard

    def dies_on_the_second(writer, begin, end, tables):
        if begin == 2:
            raise KeyboardInterrupt
        write(writer, begin, end, tables)

    monkeypatch.setattr(capturing.RunWriter, "write_shard", dies_on_the_second)
    with pytest.raises(KeyboardInterrupt):
        captured(model, tmp_path)
    monkeypatch.setattr(capturing.RunWriter, "write_shard", write)
    parts = captured(model, tmp_path)
    keys = ["group", "modality", "position", "samples"]
    one, other = (run.frame("settling").sort_values(keys).reset_index(drop=True) for run in (whole, parts))
    exact = [*keys, "tokens", "channels", "lagging", "absmax"]
    assert one[exact].equals(other[exact]) and other["reached"].to_numpy() == pytest.approx(one["reached"].to_numpy())
    assert "extremes" not in parts.header.tables


def test_shards_of_an_earlier_release_leave_the_table_out(model, tmp_path, monkeypatch):
    monkeypatch.setattr(capturing, "SHARD", 4)
    write = capturing.RunWriter.write_shard

    def without(writer, begin, end, tables):
        write(writer, begin, end, {name: table for name, table in tables.items() if name != "extremes"})

    monkeypatch.setattr(capturing.RunWriter, "write_shard", without)
    run = captured(model, tmp_path)
    assert not run.has("settling")
    with pytest.raises(StoreError, match="earlier release"):
        settling(run, Selection())


def test_the_queries_pool_inputs_and_find_what_still_rises(whole):
    frame = settling(whole, Selection(component="language"))
    text, audio = (frame[frame["modality"] == name] for name in ("text", "audio"))
    assert text["holding"].tolist() == [1, 2, 3, 5] and audio["holding"].tolist() == [1, 1, 2, 3]
    assert (text["value"].diff().dropna() >= 0).all() and text["value"].iat[-1] == pytest.approx(100.0)
    assert ((frame["low"] <= frame["value"] + 1e-9) & (frame["value"] <= frame["high"] + 1e-9)).all()
    rising = still_rising(whole, Selection(component="language")).set_index(["layer", "modality"])
    table = whole.frame("settling", where={"group": DOWN, "modality": "audio", "samples": 3}).iloc[0]
    row = rising.loc[(DOWN, "audio")]
    assert row["value"] == pytest.approx(100 * (1 - table["reached"] / 64))
    assert row["lagging"] == pytest.approx(100 * table["lagging"] / 64) and row["half_tokens"] == 8


def test_values_that_are_not_finite_count_for_nothing():
    collector = Collector(keep_rows=2, seed=0)
    x = torch.tensor([[1.0, -3.0], [float("nan"), 2.0], [float("-inf"), -0.5], [9.0, 9.0]])
    slots, keys = torch.tensor([1, 1, 3, -1], dtype=torch.int8), torch.arange(4)
    collector.on_input("group", torch.nn.Linear(2, 2), x, slots, keys)
    waiting = collector.extremes(1)["group"].slots
    collector.flush()
    counted = collector.extremes(1)["group"].slots
    for found in (waiting, counted):
        assert {slot: (rows, peak.tolist()) for slot, (rows, peak) in found.items()} == {1: (2, [1.0, 3.0]), 3: (1, [0.0, 0.5])}
