"""run.json: what a run is, how far it got, and which tables it holds."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from morphoquant.core.errors import StoreError
from morphoquant.core.plan import RunPlan
from morphoquant.store.atomic import write_text
from morphoquant.store.place import Place
from morphoquant.store.schema import SCHEMA_VERSION

HEADER_FILE = "run.json"
STATUSES = ("running", "finished", "failed")
# Beside the fields of the header, a checksum of them: a digit that the disk changed is not taken for what was written.
_CHECK = "check"
_FILE = re.compile(r"(shards/\d{8,}/)?[a-z_]+\.parquet")


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
        footers: checksum of the footer of each Parquet file, by its path in the folder.
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
    footers: dict[str, str] = field(default_factory=dict)
    stored: bool = False
    summary: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Place) -> None:
        """Replaces the header of `folder`."""
        values = json.loads(json.dumps(asdict(self), allow_nan=False))
        write_text(folder / HEADER_FILE, json.dumps({**values, _CHECK: _checksum(values)}, indent=1))

    @classmethod
    def read(cls, folder: Place) -> "RunHeader":
        """Reads and checks the header of `folder`.

        Raises:
            StoreError: no header, not JSON, another schema version, changed since, or not a header of this folder.
        """
        again = "delete the folder and run the command again"
        try:
            values = json.loads((folder / HEADER_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoreError(f"run {folder.name!r} has no {HEADER_FILE}: it is not a whole run folder, {again}.") from None
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"run {folder.name!r} has an unreadable {HEADER_FILE} ({error}): {again}.") from error
        version = values.get("schema_version") if isinstance(values, dict) else None
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"run {folder.name!r} has schema version {version!r:.40}, this release reads {SCHEMA_VERSION}: "
                "run the same capture or quantize command again to write it anew."
            )
        check = values.pop(_CHECK, None)  # runs that earlier releases wrote have none
        try:
            if check is not None and check != _checksum(values):
                raise ValueError("its checksum is another: it was changed or damaged")
            header = _header(values)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
            raise StoreError(f"run {folder.name!r} has a {HEADER_FILE} of another form ({error}): {again}.") from error
        if header.run_id != folder.name or header.plan.run_id != folder.name:
            raise StoreError(f"run {folder.name!r} has a {HEADER_FILE} that is not its own: {again}.")
        return header


def _header(values: dict[str, Any]) -> RunHeader:
    """The header of a JSON object; what its fields hold is looked at, so that nobody behind has to."""
    plan = RunPlan.from_dict(values["plan"])
    shards = tuple((int(first), int(end)) for first, end in values.get("shards", ()))
    header = RunHeader(**{**values, "plan": plan, "shards": shards})
    kinds = {
        str: (header.run_id, header.created, plan.kind, plan.code),
        str | None: (header.finished, header.error, plan.capture, plan.method, plan.spec),
        dict: (plan.model, plan.data, plan.options, plan.fields, header.tables, header.footers, header.summary),
        int: (plan.seed, *header.tables.values()),
        bool: (header.stored,),
    }
    for kind, found in kinds.items():
        for value in found:
            if not isinstance(value, kind):
                raise TypeError(f"{value!r:.40} stands where it cannot")
    if header.status not in STATUSES:
        raise ValueError(f"the status {header.status!r:.40} is none")
    if not all(_FILE.fullmatch(path) for path in (*header.footers, *(f"{name}.parquet" for name in header.tables))):
        raise ValueError("a name of a file is none of ours")
    ends = [0, *(end for _, end in shards)]
    if any(first != begin or end <= first for begin, (first, end) in zip(ends, shards, strict=False)):
        raise ValueError("the shards do not follow each other")
    return header


def _checksum(values: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(values, sort_keys=True, separators=(',', ':')).encode()):08x}"
