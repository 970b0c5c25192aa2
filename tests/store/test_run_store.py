import errno
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.plan import RunPlan
from morphoquant.store import atomic
from morphoquant.store.schema import TABLES
from morphoquant.store.table_file import LISTS


def plan(seed=0):
    return RunPlan("capture", {"id": "tiny"}, {"id": "none"}, {}, seed, "test")


def tokens(*counts):
    rows = [{"sample": i, "modality": "text", "position": "rest", "count": c} for i, c in enumerate(counts)]
    return pa.Table.from_pylist(rows, schema=TABLES["tokens"])


def finished(store, seed=0):
    with store.writer(plan(seed)) as writer:
        writer.finish({"tokens": [tokens(3, 4), tokens(5)]}, {"note": "x"})
    return writer.header.run_id


def test_written_rows_come_back_and_filters_apply(store):
    run = store.open(finished(store))
    assert run.frame("tokens")["count"].tolist() == [3, 4, 5]
    assert run.frame("tokens", ["count"], {"sample": [1]})["count"].tolist() == [4]
    assert run.frame("tokens", where={"modality": "image"}).empty
    assert run.frame("tokens")["modality"].tolist() == ["text"] * 3
    assert run.header.summary == {"note": "x"}


def test_one_channel_is_read_without_the_lists_of_all_others(folder_store):
    channels = 3 * LISTS + 5
    names = {key: pa.array(["text"] * channels).dictionary_encode() for key in ("group", "modality", "position")}
    lists = {
        "bins": [[1, 2 + channel % 500] for channel in range(channels)],
        "counts": [[channel, 1] for channel in range(channels)],
    }
    columns = names | {"channel": pa.array(range(channels), pa.int32()), **lists, "largest": [[0.5]] * channels}
    part = pa.table(columns).select(TABLES["histograms"].names).cast(TABLES["histograms"])
    with folder_store.writer(plan()) as writer:
        writer.finish({"histograms": [part, part.slice(0, 10)]}, {})
    run = folder_store.open(plan().run_id)
    groups = pq.ParquetFile(run.folder / "histograms.parquet").metadata
    assert [groups.row_group(place).num_rows for place in range(groups.num_row_groups)] == [LISTS] * 3 + [5, 10]
    assert run.table("histograms", ["counts"], {"channel": LISTS}).to_pylist() == [{"counts": [LISTS, 1]}]
    assert run.table("histograms", ["bins"], {"group": "text"}).num_rows == channels + 10
    assert run.table("histograms", ["bins"], {"channel": 3, "group": ["text", "image"]}).num_rows == 2
    assert run.table("histograms", ["bins"], {"channel": 3, "group": "image"}).num_rows == 0


def test_rows_are_the_same_whether_they_stand_together_or_not(folder_store):
    lists = pa.array([[row] * row for row in range(8)])
    names = {key: pa.array(["text"] * 8).dictionary_encode() for key in ("group", "modality", "position")}
    columns = names | {"channel": pa.array(range(8), pa.int32()), "bins": lists, "counts": lists, "largest": [[0.5]] * 8}
    part = pa.table(columns).select(TABLES["histograms"].names).cast(TABLES["histograms"])
    with folder_store.writer(plan()) as writer:
        writer.finish({"histograms": [part]}, {})
    run = folder_store.open(plan().run_id)
    for wanted in ([0, 1, 2, 3, 4], [3, 4, 5, 6, 7], [2, 3, 4, 5], [0, 2, 3, 4, 5], [6], [1, 7], [9]):
        found = run.table("histograms", ["bins"], {"channel": wanted})["bins"]
        assert found.to_pylist() == [[row] * row for row in wanted if row < 8]
        assert found.combine_chunks().flatten().to_pylist() == sum(found.to_pylist(), [])


def test_equal_plan_is_found_and_another_is_not(store):
    finished(store)
    assert store.finished(plan()) is not None
    assert store.finished(plan(seed=1)) is None


def test_unfinished_run_resumes_after_its_last_whole_shard(store):
    with pytest.raises(RuntimeError), store.writer(plan()) as writer:
        writer.write_shard(0, 2, {"tokens": [tokens(3, 4)]})
        raise RuntimeError("power cut")
    entry = store.entries()[0]
    assert entry.header.status == "failed" and entry.header.error == "power cut"
    with pytest.raises(StoreError, match="failed"):
        store.open(entry.run_id).frame("tokens")
    with store.writer(plan()) as writer:
        assert writer.next_batch == 2
        writer.write_shard(2, 3, {"tokens": [tokens(5)]})
        writer.finish({"tokens": writer.shard_tables("tokens")}, {})
    assert store.open(entry.run_id).frame("tokens")["count"].tolist() == [3, 4, 5]
    assert not (store.roots[0] / entry.run_id / "shards").exists()


def test_shard_that_was_not_entered_does_not_count(folder_store):
    with pytest.raises(RuntimeError), folder_store.writer(plan()) as writer:
        (writer.folder / "shards" / "00000000").mkdir(parents=True)
        (writer.folder / "shards" / "00000000" / "tokens.parquet.ab.tmp").write_bytes(b"half")
        raise RuntimeError
    with folder_store.writer(plan()) as writer:
        assert writer.next_batch == 0 and writer.shard_tables("tokens") == []
        assert not list(writer.folder.rglob("*.tmp"))


def test_run_of_a_killed_process_is_not_called_running(store):
    with store.writer(plan()) as writer:
        assert store.entries()[0].header.status == "running"
        writer._lock.release()
        entry = store.entries()[0]
        assert entry.header.status == "failed" and "it resumes" in entry.header.error


def test_two_writers_of_one_plan(store):
    with store.writer(plan()):
        with pytest.raises(StoreError, match="another process"):
            store.writer(plan())


@pytest.mark.parametrize("bad", ["..", "../x", "a/../b", "a/b", "A", "", "a" * 200, "x\n", "c:x"])
def test_malformed_run_id(store, bad):
    for act in (store.open, store.delete):
        with pytest.raises(StoreError, match="not a run identifier"):
            act(bad)


def test_unknown_run_names_the_nearest(store):
    run_id = finished(store)
    with pytest.raises(UnknownNameError, match=f"did you mean '{run_id}'"):
        store.open(run_id[:-1] + "z")


def test_truncated_table(store):
    run_id = finished(store)
    path = store.roots[0] / run_id / "tokens.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError, match="damaged"):
        store.open(run_id).frame("tokens")


def test_foreign_table_and_missing_table(store):
    run_id = finished(store)
    path, foreign = store.roots[0] / run_id / "tokens.parquet", pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), foreign)
    path.write_bytes(foreign.getvalue().to_pybytes())
    with pytest.raises(StoreError, match="not a 'tokens' table"):
        store.open(run_id).frame("tokens")
    path.unlink()
    with pytest.raises(StoreError, match="missing"):
        store.open(run_id).frame("tokens")
    with pytest.raises(StoreError, match="has no table 'grids'"):
        store.open(run_id).frame("grids")
    with pytest.raises(UnknownNameError):
        store.open(run_id).frame("gridz")


def test_other_schema_version_says_what_to_do(store):
    run_id = finished(store)
    path = store.roots[0] / run_id / "run.json"
    values = json.loads(path.read_text())
    values["schema_version"] = 99
    path.write_text(json.dumps(values))
    assert "schema version 99" in store.entries()[0].problem
    with pytest.raises(StoreError, match="write it anew"):
        store.open(run_id)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema_version": 1}', "null"])
def test_damaged_header_is_listed_with_its_problem(store, content):
    run_id = finished(store)
    (store.roots[0] / run_id / "run.json").write_text(content)
    assert store.entries()[0].header is None
    with pytest.raises(StoreError):
        store.open(run_id)
    with store.writer(plan()) as writer:
        writer.finish({"tokens": [tokens(1)]}, {})
    assert store.open(run_id).frame("tokens")["count"].tolist() == [1]


def test_full_disk_is_one_sentence_and_leaves_nothing(folder_store, monkeypatch):
    store = folder_store

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run_id = finished(store)
    monkeypatch.setattr(atomic.os, "replace", full)
    with pytest.raises(StoreError, match="disk is full"):
        atomic.write_text(store.roots[0] / run_id / "x.txt", "half")
    assert not list(store.cache.rglob("x.txt*"))


def test_delete(store):
    run_id = finished(store)
    store.delete(run_id)
    assert store.entries() == []
