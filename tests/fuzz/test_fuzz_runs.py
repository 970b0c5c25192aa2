"""What stands in a run folder: run.json and tables, ten thousand inputs each."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from fuzz.inputs import Good, fuzzed
from hypothesis import strategies as st

from morphoquant.cli import parser
from morphoquant.commands import runs
from morphoquant.core.plan import RunPlan
from morphoquant.store.run_store import RunStore
from morphoquant.store.schema import TABLES
from morphoquant.takeaway.facts import provenance
from morphoquant.ui.labels import title

pytestmark = pytest.mark.slow
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
_ANY = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3))


def test_plans(small_runs, tmp_path, capsys):
    """A header is refused, or all that lists runs can show it; also one whose every checksum was made to fit."""
    good = json.loads((small_runs.rtn4.folder / "run.json").read_text())
    del good["check"]
    plan = asdict(small_runs.rtn4.plan)
    swaps = st.lists(st.tuples(st.sampled_from(sorted(good)), _ANY), max_size=2)
    plans = st.lists(st.tuples(st.sampled_from(sorted(plan)), _ANY), max_size=2)

    def fitting(outside: list, inside: list) -> tuple[str, bytes]:
        values = {**good, "plan": {**plan, **dict(inside)}}
        try:
            values["run_id"] = RunPlan(**values["plan"]).run_id
        except (TypeError, ValueError, AttributeError):
            values["run_id"] = small_runs.rtn4.run_id
        return values["run_id"], json.dumps({**values, **dict(outside)}).encode()

    raw = Good((small_runs.rtn4.folder / "run.json").read_bytes(), lambda content: (small_runs.rtn4.run_id, content))
    store, listing = RunStore(tmp_path), parser().parse_args(["runs", "--cache", str(tmp_path)])

    def read(given: tuple[str, bytes]) -> None:
        run_id, content = given
        folder = tmp_path / "runs" / "".join(letter if letter.isalnum() else "-" for letter in run_id.lower())[:100]
        folder.mkdir(parents=True)
        try:
            (folder / "run.json").write_bytes(content)
            runs.run(listing)
            capsys.readouterr()
            header = store.open(folder.name).header
            title(header)
            provenance(header)
            store.finished(header.plan)
        finally:
            (folder / "run.json").unlink()
            folder.rmdir()

    fuzzed("plans", read, raw, others=st.builds(fitting, swaps, plans))


@pytest.mark.parametrize("name", ["errors", "channel_stats", "histograms"])
def test_tables(small_runs, tmp_path, name):
    """The header has no checksum of the footer here, as in runs of earlier releases."""
    run = small_runs.capture if name != "errors" else small_runs.rtn4
    part = run.table(name, where={("layer" if name == "errors" else "group"): _some(run)})
    store, plan = RunStore(tmp_path), RunPlan("capture", {}, {}, {}, 0, "1")
    with store.writer(plan) as writer:
        writer.finish({name: [part.slice(0, 40), part.slice(40, 30)]}, {})
    header = json.loads((writer.folder / "run.json").read_text())
    del header["check"]
    (writer.folder / "run.json").write_text(json.dumps({**header, "footers": {}}))
    path = Path(writer.folder / f"{name}.parquet")
    where = {"modality": "image"}

    def read(content: bytes) -> None:
        path.write_bytes(content)
        frame = store.open(plan.run_id).frame(name, where=where)
        assert list(frame.columns) == TABLES[name].names

    fuzzed(f"table {name}", read, Good(path.read_bytes()))


def _some(run) -> str:
    return run.frame("layers")["layer"].iloc[-1]
