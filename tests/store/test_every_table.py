"""Every table of every verb, cut off, emptied, exchanged or lost: one sentence, and no row of it."""

import shutil

import pytest

from morphoquant.core.errors import StoreError
from morphoquant.store.run_store import RunStore


def test_no_table_of_any_verb_is_read_as_if_whole(small_runs, answer_runs, inside_runs, tmp_path):
    kinds, tables = set(), set()
    for place, made in enumerate((small_runs, answer_runs, inside_runs)):
        store = RunStore(shutil.copytree(made.store.cache, tmp_path / str(place)))
        runs = {entry.header.plan.kind: store.open(entry.run_id) for entry in store.entries()}
        for kind, run in runs.items():
            kinds.add(kind)
            whole = {name: (run.folder / f"{name}.parquet").read_bytes() for name in run.header.tables}
            for name, content in whole.items():
                tables.add(name)
                others = [other for different, other in whole.items() if different != name]
                for harmed in (content[:-20], content[: len(content) // 2], b"", others[0] if others else b"PAR1PAR1", None):
                    refused(run, name, harmed)
                (run.folder / f"{name}.parquet").write_bytes(content)
                run.table(name)
    assert kinds >= {"capture", "quantize", "evaluate", "sensitivity", "inspect"} and len(tables) > 15


def refused(run, name: str, content: bytes | None) -> None:
    """The table is refused with such content, or without a file."""
    path = run.folder / f"{name}.parquet"
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError) as told:
        run.table(name)
    assert "\n" not in str(told.value) and str(told.value).endswith("."), str(told.value)
