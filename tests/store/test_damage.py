"""What the disk or another process does to a run folder: it is told in a sentence, or done again, and never read as if whole."""

import threading
import time

import pytest
from store.test_run_store import finished, plan, tokens

from morphoquant.core.errors import MorphoQuantError, StoreError
from morphoquant.core.progress import silent
from morphoquant.store import lease
from morphoquant.store.writer import RunWriter


@pytest.mark.parametrize("name", [pytest.param("tokens.parquet", marks=pytest.mark.slow), "run.json"])
def test_no_flipped_bit_goes_unseen(folder_store, name):
    store = folder_store
    run_id = finished(store)
    path = store.roots[0] / run_id / name
    content, seen = path.read_bytes(), 0
    rows, header = store.open(run_id).frame("tokens", where={"modality": "text"}), store.open(run_id).header
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        try:
            run = store.open(run_id)
            found = run.frame("tokens", where={"modality": "text"})
        except MorphoQuantError as error:
            assert "\n" not in str(error)
            seen += 1
        else:
            # Spaces between the fields of JSON, and what stands in Parquet for readers of other kinds.
            assert run.header == header and found.equals(rows), place
    assert seen > 0.6 * len(content)


def interrupted(store, harm):
    """A run of three shards that was interrupted, its second one harmed."""
    with pytest.raises(KeyboardInterrupt), store.writer(plan()) as writer:
        for first in range(3):
            writer.write_shard(first, first + 1, {"tokens": [tokens(first)], "refused": []})
        raise KeyboardInterrupt
    harm(writer.folder / "shards" / "00000001" / "tokens.parquet")


def flip(path):
    content = bytearray(path.read_bytes())
    content[40] ^= 4
    path.write_bytes(content)


HARMS = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "flipped": flip,
    "its mark flipped": lambda path: flip(path.parent / "shard.json"),
    "foreign": lambda path: path.write_bytes((path.parent / "refused.parquet").read_bytes()),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_shard_is_done_again_and_no_other(store, harm):
    interrupted(store, HARMS[harm])
    with store.writer(plan()) as writer:
        assert writer.next_batch == 1 and set(writer.header.footers) == {
            "shards/00000000/refused.parquet",
            "shards/00000000/tokens.parquet",
        }
        writer.write_shard(1, 2, {"tokens": [tokens(1)]})
        assert writer.next_batch == 3
        writer.finish({"tokens": writer.shard_tables("tokens")}, {})
    assert store.open(writer.header.run_id).frame("tokens")["count"].tolist() == [0, 1, 2]


def test_whole_shards_are_kept(store):
    interrupted(store, lambda path: None)
    with store.writer(plan()) as writer:
        assert writer.next_batch == 3


def test_who_waits_for_a_run_finds_it_finished_or_goes_on_with_it(store):
    told = []

    def second():
        with store.unfinished([plan()], lambda *state: told.append(state)) as writers:
            found.append(dict(writers))

    for ends in ("finished", "failed"):
        found, first = [], store.writer(plan())
        other = threading.Thread(target=second)
        other.start()
        while not told:
            time.sleep(0.02)
        assert not found
        with first:
            if ends == "finished":
                first.finish({"tokens": [tokens(1)]}, {})
        other.join()
        assert [list(one) for one in found] == [[] if ends == "finished" else [plan().run_id]]
        assert told[0] == (f"waiting for the process that writes {plan().run_id}", 0, 1)
        told.clear()
        store.delete(plan().run_id)


def test_a_finished_run_is_not_begun_again(store):
    finished(store)
    with store.writer(plan()) as writer:
        assert writer.finished
        with pytest.raises(ValueError, match="finished"):
            writer.finish({"tokens": [tokens(9)]}, {})
        with pytest.raises(ValueError, match="does not follow"):
            writer.write_shard(0, 1, {"tokens": [tokens(9)]})
    others = [plan(seed) for seed in (1, 2, 3, 4)]
    with store.unfinished([plan(), *others], silent) as writers:
        assert list(writers) == [one.run_id for one in others]
    begun = sorted((entry.header.created, entry.run_id) for entry in store.entries())
    assert [run_id for _, run_id in begun] == [one.run_id for one in (plan(), *others)], "in the order they were asked for"
    assert store.finished(plan()).frame("tokens")["count"].tolist() == [3, 4, 5]


def test_a_run_that_is_written_is_not_removed(store, monkeypatch):
    for name, seconds in (("BEAT", 0.05), ("LIFE", 2.0), ("_LOOK", 0.02)):
        monkeypatch.setattr(lease, name, seconds)
    with store.writer(plan()), pytest.raises(StoreError, match="cancel that first"):
        store.delete(plan().run_id)
    store.delete(plan().run_id)
    assert store.entries() == []


def test_a_writer_that_cannot_begin_frees_the_run(store, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(RunWriter, "_begin", lambda *_: pytest.fail("as a full disk does"))
        with pytest.raises(pytest.fail.Exception) as held:
            store.writer(plan())
    with store.writer(plan()):
        assert held.value  # the error, whose frames hold the first writer, is still there
