"""A small model of all modalities, items of it on disk, and a capture to fit methods to."""

from dataclasses import dataclass
from pathlib import Path

from fixtures.small_loaded import small_items, small_loaded
from handover.local_task import write_tasks

from morphoquant.data.item_file import read_items, write_items
from morphoquant.data.items import Item
from morphoquant.runs.capture import capture
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

SCOPE = ("language", "vision", "audio", "connector")


@dataclass(frozen=True)
class Ground:
    """Where the tests stand.

    Attributes:
        cache: folder of the runs.
        capture: of the small model.
        items: as read back from files, as sounds in files have 16 bits.
        tasks: folder for --include_path.
    """

    cache: Path
    capture: Run
    items: list[Item]
    tasks: Path


def make_ground(folder: Path) -> Ground:
    """Eight items of four tasks, two of each; other items calibrate."""
    loaded = small_loaded()
    items, refused = read_items(write_items(small_items(8), folder / "items"))
    assert not refused
    batches = [loaded.encode([item.sample]) for item in small_items(8, seed=1)]
    store = RunStore(folder / "cache")
    made = capture(loaded.model, batches, store=store, identity=loaded.identity, control=loaded.control)
    return Ground(store.cache, made, items, write_tasks(folder / "tasks", items))
