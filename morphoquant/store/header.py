"""run.json: what a run is, how far it got, and which tables it holds."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from morphoquant.core.errors import StoreError
from morphoquant.core.plan import RunPlan
from morphoquant.store.atomic import write_text
from morphoquant.store.schema import SCHEMA_VERSION

HEADER_FILE = "run.json"
STATUSES = ("running", "finished", "failed")


@dataclass(frozen=True)
class RunHeader:
    """The header of one run folder.

    Attributes:
        run_id: hash of the plan, with its kind in front.
        plan: everything that decides the numbers.
        status: "running", "finished" or "failed"; finished is written last.
        created: UTC time of the first start, ISO 8601.
        finished: UTC time of the end, absent while running.
        error: the sentence a failed run ended with.
        schema_version: of the tables.
        shards: finished shards of batches, as [first, end) indices; a resumed run starts after the last.
        tables: rows of each table of a finished run.
        stored: shipped with the project rather than made here.
        summary: small facts for people (model description, sample kinds, timings, versions, notes).
    """

    run_id: str
    plan: RunPlan
    status: str
    created: str
    finished: str | None = None
    error: str | None = None
    schema_version: int = SCHEMA_VERSION
    shards: tuple[tuple[int, int], ...] = ()
    tables: dict[str, int] = field(default_factory=dict)
    stored: bool = False
    summary: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Replaces the header of `folder`."""
        write_text(folder / HEADER_FILE, json.dumps(asdict(self), indent=1, allow_nan=False))

    @classmethod
    def read(cls, folder: Path) -> "RunHeader":
        """Reads and checks the header of `folder`.

        Raises:
            StoreError: no header, not JSON, another schema version, or not a header of this folder.
        """
        again = "delete the folder and run the command again"
        try:
            values = json.loads((folder / HEADER_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoreError(f"run {folder.name!r} has no {HEADER_FILE}: it is not a whole run folder, {again}.") from None
        except (OSError, ValueError) as error:
            raise StoreError(f"run {folder.name!r} has an unreadable {HEADER_FILE} ({error}): {again}.") from error
        version = values.get("schema_version") if isinstance(values, dict) else None
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"run {folder.name!r} has schema version {version}, this release reads {SCHEMA_VERSION}: "
                "run the same capture or quantize command again to write it anew."
            )
        try:
            values["plan"] = RunPlan.from_dict(values["plan"])
            values["shards"] = tuple((int(first), int(end)) for first, end in values.get("shards", ()))
            header = cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"run {folder.name!r} has a {HEADER_FILE} of another form ({error}): {again}.") from error
        if header.status not in STATUSES or header.run_id != folder.name:
            raise StoreError(f"run {folder.name!r} has a {HEADER_FILE} that is not its own: {again}.")
        return header
