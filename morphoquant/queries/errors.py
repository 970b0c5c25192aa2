"""Quantisation errors of layers by modality, from sums of squares."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.decibels import sqnr_db
from morphoquant.queries.layers import PLACE, groups, layers
from morphoquant.queries.modalities import ordered, where
from morphoquant.queries.once import once
from morphoquant.store.run import Run

SUMS = ["tokens", "signal_sq", "error_sq", "cosine_sum"]
INPUT_SUMS = ["clip_sq", "round_sq", "outlier_signal_sq", "outlier_error_sq", "bypassed"]
SOURCES = ("both", "activation", "weight")


@once
def all_errors(run: Run) -> pa.Table:
    """The table `errors` of a quantize run.

    Raises:
        StoreError: the run has none, or it cannot be read.
    """
    return run.table("errors")


def errors_of(runs: Sequence[Run], selection: Selection, **also: list[str]) -> pd.DataFrame:
    """Rows of `errors` of several runs, names as categories.

    Args:
        runs: quantize runs.
        selection: its modalities and positions.
        also: values of further columns.

    Returns:
        The table's columns and run, the place of each run in `runs`.
    """
    tables = [all_errors(run) for run in runs]
    frame = pa.concat_tables(tables).unify_dictionaries().to_pandas()
    frame["run"] = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    keep = np.ones(len(frame), bool)
    for name, wanted in {**where(selection), **also}.items():
        keep &= frame[name].isin(wanted).to_numpy()
    return frame[keep]


def error_sums(run: Run, selection: Selection, tap: str, source: str | None = None) -> pd.DataFrame:
    """Sums of errors of the selected layers, added over position classes.

    Args:
        run: a quantize run.
        selection: component, role, modalities and positions.
        tap: "input" (one row for each shared input) or "output" (one row for each linear).
        source: what is quantised: "weight", "activation" or "both"; absent for "both", or "activation" where a run has no
            other (an input is touched by the activation quantiser alone).

    Returns:
        layer, label, component, role, block, order, modality, source, width, cosine_min and the summed columns of `errors`.

    Raises:
        StoreError: the run has no such rows.
    """
    return error_sums_of([run], selection, tap, source).drop(columns="run")


def error_sums_of(
    runs: Sequence[Run], selection: Selection, tap: str, source: str | None = None, layer: str | None = None
) -> pd.DataFrame:
    """`error_sums` of several runs, in their order, with column run: the place of each in `runs`.

    All of them are summed at once; one after the other, most of the time would go into beginning. Of one `layer` alone, a run
    may have no row.

    Raises:
        StoreError: one of the runs has no such rows.
    """
    places = pd.concat([rows.assign(run=place) for place, rows in enumerate(_places(runs, selection, tap))], ignore_index=True)
    places = places if layer is None else places[places["layer"] == layer]
    found = errors_of(runs, selection, tap=[tap], layer=list(places["layer"].unique()))
    found = found[(found["source"].astype(str) == found["run"].map(_sources(found, source))) & (found["tokens"] > 0)]
    for place in sorted(set(range(len(runs))) - set(found["run"])) if layer is None else ():
        raise StoreError(
            f"run {runs[place].run_id!r} has no {tap} error with {source or 'both'} quantised for this selection: "
            "choose other modalities, another component, or a run that quantises it."
        )
    keys = ["run", "layer", "modality", "source", "width"]
    rows = found.groupby(keys, sort=False, observed=True)
    pooled = rows[[*SUMS, *INPUT_SUMS]].sum(min_count=1).join(rows["cosine_min"].min()).reset_index()
    pooled = pooled.astype(dict.fromkeys(keys[1:4], str)).merge(places, on=["run", "layer"])
    pooled = pooled[["run", *PLACE, "modality", "source", "width", "cosine_min", *SUMS, *INPUT_SUMS]]
    return pooled if layer and pooled.empty else ordered(pooled, selection, "run", "order")


def _places(runs: Sequence[Run], selection: Selection, tap: str) -> Iterator[pd.DataFrame]:
    """Where the selected layers stand; runs of one capture and scope have the same."""
    known: dict[tuple, pd.DataFrame] = {}
    for run in runs:
        key = run.plan.capture, repr(run.plan.options), run.header.tables.get("layers")
        if key not in known:
            known[key] = (groups if tap == "input" else layers)(run, selection)[PLACE]
        yield known[key]


def _sources(found: pd.DataFrame, source: str | None) -> dict[int, str]:
    """What is quantised in the rows wanted of each run: `source`, else the first of `SOURCES` that it has."""
    pairs = found[["run", "source"]].drop_duplicates()
    present = {place: set(rows) for place, rows in pairs.groupby("run")["source"]}
    return {place: source or next((name for name in SOURCES if name in names), "both") for place, names in present.items()}


def _inlier_db(sums: pd.DataFrame) -> np.ndarray:
    return sqnr_db(sums["signal_sq"] - sums["outlier_signal_sq"], (sums["error_sq"] - sums["outlier_error_sq"]).clip(lower=0.0))


ERROR_MEASURES = {
    "sqnr_db": lambda sums: sqnr_db(sums["signal_sq"], sums["error_sq"]),
    "nmse": lambda sums: sums["error_sq"] / sums["signal_sq"],
    "mse": lambda sums: sums["error_sq"] / (sums["tokens"] * sums["width"]),
    "cosine": lambda sums: sums["cosine_sum"] / sums["tokens"],
    "cosine_min": lambda sums: sums["cosine_min"],
    "inlier_sqnr_db": _inlier_db,
    "outlier_sqnr_db": lambda sums: sqnr_db(sums["outlier_signal_sq"], sums["outlier_error_sq"]),
    "bypass_density": lambda sums: 100.0 * sums["bypassed"] / (sums["tokens"] * sums["width"]),
}
_INPUT_ONLY = {"inlier_sqnr_db", "outlier_sqnr_db", "bypass_density"}


def split_measure(name: str) -> tuple[str, str]:
    """("output_nmse") -> ("output", "nmse"); measures that only an input has need no tap.

    Raises:
        UnknownNameError: no such measure.
    """
    tap, _, rest = name.partition("_")
    if name in _INPUT_ONLY:
        return "input", name
    if tap in ("input", "output") and rest in ERROR_MEASURES and rest not in _INPUT_ONLY:
        return tap, rest
    known = [f"{tap}_{rest}" for tap in ("output", "input") for rest in ERROR_MEASURES if rest not in _INPUT_ONLY]
    raise UnknownNameError("measure", name, [*known, *_INPUT_ONLY])


def layer_errors(run: Run, selection: Selection, measure: str) -> pd.DataFrame:
    """One error measure for each layer and modality.

    Args:
        run: a quantize run.
        selection: component, role, modalities and positions.
        measure: "output_sqnr_db", "input_nmse", ...: a tap and one of sqnr_db, nmse, mse, cosine (mean over tokens) and
            cosine_min (of the worst token); or, of the input only, "inlier_sqnr_db", "outlier_sqnr_db" (over unmasked and
            masked channels) and "bypass_density" (percent).

    Returns:
        layer, label, component, role, block, order, modality, tokens, value. An exact layer has infinite dB; a layer in which
        the measure is not defined, such as the outliers' where no channel is masked, has no row.
    """
    return layer_errors_of([run], selection, measure).drop(columns="run")


def layer_errors_of(runs: Sequence[Run], selection: Selection, measure: str, layer: str | None = None) -> pd.DataFrame:
    """`layer_errors` of several runs, in their order, with column run: the place of each in `runs`; of all layers or of one."""
    tap, name = split_measure(measure)
    sums = error_sums_of(runs, selection, tap, layer=layer)
    sums = sums.assign(value=ERROR_MEASURES[name](sums))
    return sums.loc[sums["value"].notna(), ["run", *PLACE, "modality", "tokens", "value"]].reset_index(drop=True)
