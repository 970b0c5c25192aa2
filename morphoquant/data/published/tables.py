"""The published tables: a CSV file each for the cells, one file for what is told about them, and one for their sources.

Facts and figures of other people, transcribed cell by cell and kept as text, so that no digit is gained or lost; all wording is
ours. The methods that papers name differently have one name here, and what a paper prints stands beside it.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
_KEYS = ("model", "bits", "method", "printed")


@dataclass(frozen=True)
class Source:
    """What a table was taken from.

    Attributes:
        name: short identifier.
        short: for labels.
        title: of the paper.
        where: addresses of paper and code.
        how: how the numbers came to us, in one or two sentences.
    """

    name: str
    short: str
    title: str
    where: tuple[str, ...]
    how: str


@dataclass(frozen=True)
class Column:
    """A benchmark or another measured quantity of a table.

    Attributes:
        name: as the paper names it.
        unit: of the printed values, "1" for pure numbers.
        better: "higher" or "lower".
    """

    name: str
    unit: str
    better: str


@dataclass(frozen=True)
class Note:
    """Something odd, or to be known, about a table or some of its cells.

    Attributes:
        tag: how we know, a key of `tags`.
        text: one sentence.
        cells: each gives the model, bits, printed row or benchmark that a cell must have; empty for the whole table.
    """

    tag: str
    text: str
    cells: tuple[Mapping[str, str], ...] = ()

    def concerns(self, cell: Mapping[str, str]) -> bool:
        """Whether one of the note's cells is `cell`, given by model, bits, printed and benchmark."""
        return any(all(cell[key] == value for key, value in asked.items()) for asked in self.cells)


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        model: empty where it is not told.
        bits: such as "W4A4" or "FP16", empty where they are not told.
        method: one name for what papers print differently; several that share the line are joined by "/".
        printed: what the paper prints.
        values: the cells as printed, empty ones left empty, in the order of the table's columns.
    """

    model: str
    bits: str
    method: str
    printed: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper.

    Attributes:
        name: as in a link.
        source: what it was taken from.
        number: of the table in the paper.
        title: in our words.
        tag: how the cells came to us, a key of `tags`.
        columns: what is measured.
        notes: what is odd about it.
        rows: in the order of the paper.
    """

    name: str
    source: Source
    number: str
    title: str
    tag: str
    columns: tuple[Column, ...]
    notes: tuple[Note, ...]
    rows: tuple[Row, ...]

    @property
    def label(self) -> str:
        """Source, number and title in one line."""
        return f"{self.source.short}, {self.number}: {self.title}"


@dataclass(frozen=True)
class Claim:
    """A number that an abstract claims without a table."""

    source: Source
    tag: str
    claim: str
    printed: str
    unit: str


@cache
def published_tables() -> dict[str, PublishedTable]:
    """All tables by name."""
    return {name: _table(name, facts) for name, facts in _read("tables.json").items()}


@cache
def sources() -> dict[str, Source]:
    """All sources by name, those without a table of ours among them."""
    return {
        name: Source(name, **facts | {"where": tuple(facts["where"])}) for name, facts in _read("sources.json")["sources"].items()
    }


def tags() -> dict[str, str]:
    """What each tag of provenance means, in words."""
    return dict(_read("sources.json")["tags"])


def read_on() -> str:
    """The day on which the sources were read, as an ISO date."""
    return _read("sources.json")["read"]


def claims() -> list[Claim]:
    """What abstracts claim in numbers."""
    return [Claim(**line | {"source": sources()[line["source"]]}) for line in _lines("claims.csv")]


def _table(name: str, facts: dict[str, Any]) -> PublishedTable:
    columns = tuple(Column(column, **kind) for column, kind in facts["columns"].items())
    rows = tuple(
        Row(*(line[key] for key in _KEYS), values=tuple(line[column.name] for column in columns))
        for line in _lines(f"{name}.csv")
    )
    notes = tuple(Note(note["tag"], note["text"], tuple(note.get("cells", ()))) for note in facts["notes"])
    source = sources()[facts["source"]]
    return PublishedTable(name, source, facts["number"], facts["title"], facts["tag"], columns, notes, rows)


@cache
def _read(file: str) -> dict[str, Any]:
    return json.loads((_FOLDER / file).read_text(encoding="utf-8"))


def _lines(file: str) -> list[dict[str, str]]:
    with (_FOLDER / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
