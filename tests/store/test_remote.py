"""What an object store asks for besides: addresses, few requests, and answers that are no answers."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from fixtures.object_store import Asked, fresh, upload
from store.test_run_store import finished, plan, tokens

from morphoquant.cli import main
from morphoquant.core.errors import MissingExtraError, StoreError, UnreachableError
from morphoquant.store import ranges, remote
from morphoquant.store.place import LOCAL, local_folder, place
from morphoquant.store.run_store import RunStore


@pytest.fixture
def memory() -> RunStore:
    """An empty store of objects in memory."""
    return RunStore(fresh("memory://runs"))


def test_a_url_a_folder_and_a_file_url_are_told_apart(tmp_path, monkeypatch):
    assert place(tmp_path) == place(str(tmp_path)) == place(f"file://{tmp_path}") == tmp_path
    assert str(place("memory://a/b/")) == "memory://a/b" and place("memory://a/b") is place("memory://a/b")
    run = place("memory://a/b") / "runs" / "capture-1"
    assert (run.name, run.parents[1], run.parent.name) == ("capture-1", place("memory://a/b"), "runs")
    monkeypatch.setenv(LOCAL, str(tmp_path))
    assert local_folder("memory://a") == local_folder(place("memory://a")) == tmp_path
    assert local_folder(Path("here")) == local_folder("here") == Path("here")


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("nosuch://bucket/x", "cannot open 'nosuch://bucket/x'"),
        ("s3://", "not the URL of one folder"),
        ("simplecache::memory://x/y", "not the URL of one folder"),
        (Path("s3://bucket/x"), "URL that was made a path"),
    ],
)
def test_an_address_that_is_none_is_one_sentence(where, sentence):
    with pytest.raises(StoreError, match=sentence) as told:
        RunStore(where)
    assert "\n" not in str(told.value)


def test_without_s3fs_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)  # where other tests opened a bucket
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e '\.\[remote\]'"):
        remote.Objects("s3://bucket/x")


def test_what_did_not_change_is_not_asked_again(memory, monkeypatch):
    for seed in range(5):
        finished(memory, seed)
    asked = Asked(memory.cache.objects, monkeypatch)
    assert len(memory.entries()) == 5
    assert asked.taken() == {"find": 2, "cat_file": 5}, "a listing each of runs and of stored, and every header once"
    run = memory.open(memory.entries()[0].run_id)
    assert asked.taken() == {}
    assert len(run.frame("tokens")) == 3
    run.frame("tokens", ["count"], {"sample": 1})
    assert asked.taken() == {"cat_file": 1}, "a small table in one"
    monkeypatch.setattr(remote, "FRESH", 0.0)
    memory.entries()
    assert asked.counts["find"] >= 2 and "cat_file" not in asked.counts, "headers are as they were"
    finished(RunStore(str(memory.cache)), 5)
    assert len(memory.entries()) == 6


def test_of_a_large_table_only_the_rows_that_are_wanted_are_fetched(memory, monkeypatch):
    monkeypatch.setattr(ranges, "WHOLE", 100_000)
    monkeypatch.setattr(remote, "WHOLE", 100_000)
    monkeypatch.setattr(ranges, "TAIL", 70_000)
    rng, rows = np.random.default_rng(0), tokens(*[0] * 5000)
    counts = [rng.integers(group << 40, (group + 1) << 40, 5000) for group in range(10)]
    place = rows.schema.get_field_index("count")
    with memory.writer(plan()) as writer:
        parts = [rows.set_column(place, rows.schema.field("count"), pa.array(one)) for one in counts]
        writer.finish({"tokens": parts}, {})
    run = memory.open(writer.header.run_id)
    asked = Asked(memory.cache.objects, monkeypatch)
    everything = run.frame("tokens")
    whole = asked.bytes
    asked.taken()
    some = run.frame("tokens", where={"count": [counts[3][7]]})
    assert len(everything) == 50_000 and some["sample"].tolist() == [7]
    assert asked.bytes < whole / 2 and asked.counts == {"cat_file": 2}, "the end of the file, and one row group"


def test_ranges_read_as_a_file_does(monkeypatch):
    content = bytes(range(256)) * 40
    for whole, tail in ((0, 100), (10**6, 1)):
        monkeypatch.setattr(ranges, "WHOLE", whole)
        monkeypatch.setattr(ranges, "TAIL", tail)
        file = ranges.Ranges(lambda first, end: content[first:end], len(content))
        assert file.read(10) == content[:10] and file.tell() == 10
        assert file.seek(-20, 2) == len(content) - 20 and file.read() == content[-20:] and file.read(5) == b""
        assert file.seek(5) == 5 and file.seek(5, 1) == 10 and file.read(10_190) == content[10:10_200]
        assert file.seek(len(content) - 150) and file.read() == content[-150:]


def test_a_store_that_does_not_answer_costs_no_shard(memory, monkeypatch):
    with pytest.raises(KeyboardInterrupt), memory.writer(plan()) as writer:
        writer.write_shard(0, 1, {"tokens": [tokens(7)]})
        raise KeyboardInterrupt
    known = memory.cache.objects.fs.cat_file

    def refuse(path, *args, **kwargs):
        if path.endswith(".lock"):
            return known(path, *args, **kwargs)
        raise ConnectionError("no route to host\nsecond line")

    for broken in ("cat_file", "find"):
        with monkeypatch.context() as patch:
            patch.setattr(memory.cache.objects.fs, broken, refuse)
            patch.setattr(remote, "FRESH", 0.0)
            memory.cache.objects._kept.clear()
            with pytest.raises(UnreachableError, match=r"no route to host\): check the address") as told:
                memory.writer(plan())
            assert "\n" not in str(told.value)
            if broken == "find":
                with pytest.raises(UnreachableError):
                    memory.entries()
            else:
                assert "cannot read or write" in memory.entries()[0].problem
    with memory.writer(plan()) as writer:
        assert writer.next_batch == 1


def test_what_cannot_be_sent_is_one_sentence(memory, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("Access Denied")

    monkeypatch.setattr(memory.cache.objects.fs, "put_file", refuse)
    with pytest.raises(UnreachableError, match=r"run.json \(Access Denied\)"):
        memory.writer(plan())
    monkeypatch.undo()
    with memory.writer(plan()):
        pass  # it was let go of


def test_a_cache_copied_to_a_store_reads_the_same(small_runs):
    url = fresh("memory://runs")
    upload(small_runs.store.cache, url)
    copy = RunStore(url)
    assert [entry.run_id for entry in copy.entries()] == [entry.run_id for entry in small_runs.store.entries()]
    for run in (small_runs.capture, small_runs.searched):
        for name in run.header.tables:
            assert copy.open(run.run_id).table(name).equals(run.table(name))


def test_the_command_line_takes_a_url_and_a_folder_for_the_rest(memory, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(LOCAL, "elsewhere")
    run_id = finished(memory)
    assert main(["runs", "--cache", str(memory.cache), "--local", str(tmp_path)]) == 0
    assert f"{run_id}  finished" in capsys.readouterr().out and local_folder(memory.cache) == tmp_path
    assert main(["runs", "--delete", run_id, "--cache", str(memory.cache)]) == 0 and memory.entries() == []
    assert main(["runs", "--cache", "nosuch://x/y"]) == 2
    assert "StoreError: cannot open 'nosuch://x/y'" in capsys.readouterr().err
