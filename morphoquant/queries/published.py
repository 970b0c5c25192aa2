"""What papers report: cells as a tidy frame, tables as papers print them, and the spread of one method across papers."""

from collections.abc import Collection
from functools import cache

import pandas as pd

from morphoquant.core.errors import UnknownNameError
from morphoquant.data.published.tables import PublishedTable, claims, published_tables

FULL_PRECISION = "full precision"
COLUMNS = (
    *("source", "table", "model", "bits", "method", "row", "benchmark"),
    *("value", "printed", "unit", "better", "tag", "oddity"),
)
_SAME = ["model", "bits", "method", "benchmark", "unit", "better"]
Names = str | Collection[str] | None


def table_named(name: str | None) -> PublishedTable:
    """The table of that name, the first one if none is asked for.

    Raises:
        UnknownNameError: there is no such table.
    """
    known = published_tables()
    if name is None:
        return next(iter(known.values()))
    if name not in known:
        raise UnknownNameError("published table", name, known)
    return known[name]


def published(
    source: Names = None,
    table: Names = None,
    model: Names = None,
    bits: Names = None,
    benchmark: Names = None,
    *,
    blanks: bool = False,
) -> pd.DataFrame:
    """Printed cells, one a row.

    Args:
        source: names of sources to keep; one, several, or absent for all. So with the others:
        table: names of tables.
        model: names of models.
        bits: as printed, such as "W4A4" or "FP16"; the case of the letters does not matter.
        benchmark: names of columns.
        blanks: whether cells that a paper leaves empty are rows too, without a value.

    Returns:
        source, table, model and bits (empty where they are not told), method (one name for what papers print differently),
        row (what the paper prints), benchmark, value, printed (the text of the value), unit, better ("higher" or "lower"), tag
        (of provenance), oddity (sentences about this very cell, empty for none). In the order of the papers.

    Raises:
        UnknownNameError: a filter names what no table has.
    """
    frame = _every_cell()
    keep = pd.Series(True, index=frame.index) if blanks else frame["value"].notna()
    asked = dict(source=source, table=table, model=model, bits=bits, benchmark=benchmark)
    for name, wanted in asked.items():
        if wanted is not None:
            keep &= frame[name].isin(_known(name, wanted, frame[name]))
    return frame[keep].reset_index(drop=True)


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells of `published` as papers print them: a row a method, a column a benchmark, every digit as printed.

    Returns:
        table (only if there are several), model, bits, method, a column of text for each benchmark with its unit in the title,
        and "printed as", what the paper calls the row; what a paper leaves empty is empty.
    """
    keys = [*(["table"] if frame["table"].nunique() > 1 else []), "model", "bits", "method", "row"]
    titled = frame.assign(
        column=[
            column_title(name, unit, better)
            for name, unit, better in frame[["benchmark", "unit", "better"]].itertuples(index=False, name=None)
        ]
    )
    lines = titled[keys].drop_duplicates()
    cells = titled.set_index([*keys, "column"])["printed"].unstack("column")
    cells = cells.reindex(index=pd.MultiIndex.from_frame(lines), columns=list(dict.fromkeys(titled["column"])))
    cells.columns.name = None
    found = cells.fillna("").reset_index()
    return found.assign(**{"printed as": found["row"]}).drop(columns="row")


def column_title(benchmark: str, unit: str, better: str) -> str:
    """Title of a column: name, unit, and which way is better where that is not up."""
    facts = [*([unit] if unit != "1" else []), *(["lower is better"] if better == "lower" else [])]
    return f"{benchmark} ({', '.join(facts)})" if facts else benchmark


def spread(table: str | None = None) -> pd.DataFrame:
    """How far sources differ on one method, on the same model, bits and benchmark.

    Args:
        table: only what stands in this table too, absent for all.

    Returns:
        model, bits, method, benchmark, unit, better, sources (how many), lowest, highest, spread (highest less lowest), reports
        (each source with what it prints); the widest spread first. Cells that name two methods count for both.

    Raises:
        UnknownNameError: there is no such table.
    """
    found = _every_spread()
    if table is not None:
        own = pd.MultiIndex.from_frame(_by_method(published(table=table))[_SAME])
        found = found[pd.MultiIndex.from_frame(found[_SAME]).isin(own)]
    return found.reset_index(drop=True)


def spread_in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame of `spread` as people print it: the unit in the benchmark's name, what each source prints in one column."""
    shown = frame[["model", "bits", "method"]].copy()
    facts = frame[["benchmark", "unit", "better"]].itertuples(index=False, name=None)
    shown["benchmark"] = [column_title(*fact) for fact in facts]
    shown["reports"] = frame["reports"]
    # Two decimals are what the papers print at most; more would be the noise of binary fractions.
    shown["spread"] = [f"{value:.2f}" for value in frame["spread"]]
    return shown


def claimed() -> pd.DataFrame:
    """What abstracts claim without a table, as people print it: source, claim, printed, unit, tag."""
    rows = [(one.source.short, one.claim, one.printed, one.unit, one.tag) for one in claims()]
    return pd.DataFrame(rows, columns=["source", "claim", "printed", "unit", "tag"])


@cache
def _every_cell() -> pd.DataFrame:
    """The cells of all tables; of files that come with the program, so that they are read once."""
    return pd.DataFrame([cell for one in published_tables().values() for cell in _cells(one)], columns=COLUMNS)


@cache
def _every_spread() -> pd.DataFrame:
    """`spread` over all tables."""
    shorts = {one.name: one.source.short for one in published_tables().values()}
    rows, cells = [], _by_method(published())
    several = cells.groupby(_SAME)["source"].transform("nunique") > 1
    for key, part in cells[several & (cells["model"] != "")].groupby(_SAME, sort=False):
        reports = dict.fromkeys(f"{shorts[cell.table]}: {cell.printed}" for cell in part.itertuples())
        low, high = float(part["value"].min()), float(part["value"].max())
        rows.append((*key, part["source"].nunique(), low, high, high - low, "; ".join(reports)))
    columns = [*_SAME, "sources", "lowest", "highest", "spread", "reports"]
    found = pd.DataFrame(rows, columns=columns).astype({"lowest": float, "highest": float, "spread": float})
    return found.sort_values("spread", ascending=False, kind="stable").reset_index(drop=True)


def _cells(table: PublishedTable) -> list[tuple]:
    cells = []
    for row in table.rows:
        for column, printed in zip(table.columns, row.values, strict=True):
            place = dict(model=row.model, bits=row.bits, printed=row.printed, benchmark=column.name)
            odd = " ".join(note.text for note in table.notes if note.concerns(place)) if printed else ""
            keys = (table.source.name, table.name, row.model, row.bits, row.method, row.printed, column.name)
            value = float(printed) if printed else float("nan")
            cells.append((*keys, value, printed, column.unit, column.better, table.tag, odd))
    return cells


def _known(name: str, asked: str | Collection[str], column: pd.Series) -> list[str]:
    wanted = [asked] if isinstance(asked, str) else list(asked)
    wanted = [one.upper() for one in wanted] if name == "bits" else wanted
    known = {one for one in column if one}
    for one in wanted:
        if one not in known:
            raise UnknownNameError(f"published {name}", one, known)
    return wanted


def _by_method(frame: pd.DataFrame) -> pd.DataFrame:
    """A row for each method that a cell names."""
    return frame.assign(method=frame["method"].str.split("/")).explode("method", ignore_index=True)
