"""A few numbers of every layer input: what the pages on all layers are made of, so that none of them reads a row a channel."""

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.core.selection import Selection
from morphoquant.queries.in_parts import in_parts
from morphoquant.queries.modalities import where
from morphoquant.queries.once import once
from morphoquant.stats.input_measures import COUNTS, POWERS, RANGE, Slots, both, measures
from morphoquant.store.run import Run
from morphoquant.store.schema import TABLES
from morphoquant.store.summary_schema import BOTH

TABLE = "input_measures"
MOMENTS = ["kurtosis"]
_KEYS = ("group", "modality", "position")


def input_measures(run: Run) -> pd.DataFrame:
    """The table `input_measures` of a capture, position classes apart; of one that was made without it, from its channels.

    Returns:
        The table's columns, but for kurtosis, with layer for group, names as text and null as NaN; masked holds arrays of
        channels. In the order in which the inputs were stored.

    Raises:
        StoreError: a table of the run cannot be read.
    """
    frame = _whole(run) if run.has(TABLE) else _apart(run)
    return frame[frame["position"] != BOTH].drop(columns=MOMENTS)


def selected(run: Run, selection: Selection, moments: bool = False) -> pd.DataFrame:
    """Rows of `input_measures` of the selected modalities and positions, one for each input and modality with a finite value.

    With `moments` there is the column kurtosis. Where both position classes are selected and a modality has both, they are those
    of its channels pooled over them.

    Raises:
        StoreError: no position class is chosen, or a table cannot be read.
    """
    wanted = where(selection)
    frame = input_measures(run) if len(wanted["position"]) == 1 and not moments else _whole(run)
    frame = frame[frame["width"] > 0]
    if "modality" in wanted:
        frame = frame[frame["modality"].isin(wanted["modality"])]
    if len(wanted["position"]) == 1:
        return frame[frame["position"] == wanted["position"][0]]
    pair = pd.MultiIndex.from_frame(frame[["layer", "modality"]])
    pooled = (frame["position"] == BOTH).to_numpy()
    return frame[pooled | ~pair.isin(pair[pooled])]


@once
def _whole(run: Run) -> pd.DataFrame:
    """All rows of the table, those of both position classes together among them."""
    return _frame(run.table(TABLE) if run.has(TABLE) else _from_channels(run))


@once
def _apart(run: Run) -> pd.DataFrame:
    """Those rows and columns that a page asks for at first, which take half the time."""
    return _frame(_from_channels(run, whole=False))


def _frame(table: pa.Table) -> pd.DataFrame:
    frame = table.drop_columns("masked").to_pandas()
    lists = table["masked"].combine_chunks()
    frame["masked"] = np.split(lists.flatten().to_numpy(), np.cumsum(lists.value_lengths().to_numpy())[:-1]) if len(frame) else []
    return frame.rename(columns={"group": "layer"}).astype(dict.fromkeys(("layer", "modality", "position"), str))


def _from_channels(run: Run, whole: bool = True) -> pa.Table:
    columns = [*_KEYS, "channel", *COUNTS, *RANGE, *(POWERS if whole else ())]
    parts = [measures_of(part, whole) for part in in_parts(run, "channel_stats", columns)]
    return pa.concat_tables([TABLES[TABLE].empty_table(), *parts]).unify_dictionaries()


def measures_of(table: pa.Table, whole: bool = True) -> pa.Table:
    """Rows of `input_measures` from all rows of `channel_stats` of some inputs.

    Args:
        table: those rows.
        whole: whether to measure kurtosis, and to add the rows of both position classes together.
    """
    keys, slots = _slots(table)
    rows = list(zip(keys, measures(slots), strict=True))
    pairs = np.flatnonzero([one[:2] == other[:2] for one, other in zip(keys, keys[1:], strict=False)])
    if whole and len(pairs):
        named = [(*keys[one][:2], BOTH) for one in pairs]
        rows += zip(named, measures(both(slots, pairs)), strict=True)
    return pa.Table.from_pylist([dict(zip(_KEYS, key, strict=True)) | row for key, row in rows], schema=TABLES[TABLE])


def _slots(table: pa.Table) -> tuple[list[tuple[str, ...]], Slots]:
    """The channels of each input, modality and position, and their names; positions of one modality are neighbours."""
    table = table.unify_dictionaries().combine_chunks()
    names, code = [], np.zeros(table.num_rows, np.int64)
    for key in _KEYS:
        column = table[key].combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        names.append(column.dictionary.to_pylist())
        code = code * max(len(names[-1]), 1) + column.indices.to_numpy()
    columns = {name: table[name].to_numpy() for name in ("channel", *COUNTS, *RANGE, *POWERS) if name in table.schema.names}
    if (np.diff(code) < 0).any():
        order = np.argsort(code, kind="stable")
        code, columns = code[order], {name: values[order] for name, values in columns.items()}
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    places = np.unravel_index(code[starts], [max(len(known), 1) for known in names])
    keys = list(zip(*([known[place] for place in own] for known, own in zip(names, places, strict=True)), strict=True))
    return keys, Slots(starts, columns)
