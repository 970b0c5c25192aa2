"""What fixed grids do to every layer input: sums over its channels, and the channels that make most of the error."""

import pandas as pd
import pyarrow as pa

from morphoquant.core.errors import StoreError
from morphoquant.queries.in_parts import in_parts
from morphoquant.queries.once import once
from morphoquant.store.run import Run
from morphoquant.store.schema import TABLES

TABLE = "input_use"
SUMS = ["count", "clipped", "bypassed", "signal_sq", "clip_sq", "round_sq"]
HALF = 0.5
NO_GRIDS = "run {run!r} quantises no activations on fixed grids: choose a run with one range a channel."
_KEYS = ["group", "modality", "position"]


@once
def input_use(run: Run) -> pd.DataFrame:
    """The table `input_use` of a quantize run; of one that was made without it, from its channels.

    Returns:
        The table's columns with layer for group and names as text; a channel without error is null.

    Raises:
        StoreError: the run quantises no activations on fixed grids, or a table of it cannot be read.
    """
    if not run.has("grid_use"):
        raise StoreError(NO_GRIDS.format(run=run.run_id))
    if run.has(TABLE):
        table = run.table(TABLE)
    else:
        parts = [use_of(part) for part in in_parts(run, "grid_use", [*_KEYS, "channel", *SUMS])]
        table = pa.concat_tables(parts).unify_dictionaries()
    return table.to_pandas().rename(columns={"group": "layer"}).astype(dict.fromkeys(("layer", "modality", "position"), str))


def use_of(table: pa.Table) -> pa.Table:
    """Rows of `input_use` from all rows of `grid_use` of some inputs."""
    frame = by_input(table.unify_dictionaries().to_pandas(), _KEYS).astype(dict.fromkeys(_KEYS, str))
    return pa.Table.from_pandas(frame, TABLES[TABLE], preserve_index=False)


def by_input(channels: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sums over the channels of each input.

    Args:
        channels: `keys`, channel, and those columns of `SUMS` that are wanted, count, clip_sq and round_sq among them; a row a
            channel.
        keys: what tells inputs apart.

    Returns:
        A row an input that has a value, in the order of the first channels: `keys`, the sums, width (channels with a value),
        half (the fewest channels whose squared error is half of all, 0 where there is none), channel (with most squared error),
        channel_clip_sq and channel_round_sq (its squared errors); the last three are null where there is none.
    """
    frame = channels[channels["count"] > 0]
    error = (frame["clip_sq"] + frame["round_sq"]).astype(float)
    place = frame.groupby(keys, sort=False, observed=True).ngroup()
    frame = frame.assign(error=error, input=place).sort_values(["input", "error"], ascending=[True, False], kind="stable")
    inputs = frame.groupby("input", sort=False)
    total = inputs["error"].transform("sum")
    # A channel is needed for the half if those before it do not make it.
    short = (inputs["error"].cumsum() - frame["error"]) < HALF * total
    top = frame.drop_duplicates("input").set_index("input")
    found = top[keys].join(inputs[[name for name in SUMS if name in frame]].sum())
    found["width"] = inputs.size()
    found["half"] = (short & (total > 0)).groupby(frame["input"]).sum()
    known = top["error"] > 0
    found["channel"] = top["channel"].astype("Int32").where(known)
    found["channel_clip_sq"], found["channel_round_sq"] = top["clip_sq"].where(known), top["round_sq"].where(known)
    return found.reset_index(drop=True)
