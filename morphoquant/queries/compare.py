"""Runs side by side: allowed only where they differ in method, fields and spec alone."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from morphoquant.core.allocation import own_fields, spec_in_words
from morphoquant.core.errors import CompareError, StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.decibels import sqnr_db, summed
from morphoquant.queries.errors import all_errors, error_sums_of, layer_errors_of
from morphoquant.queries.modalities import ordered
from morphoquant.queries.sources import quantized
from morphoquant.store.run import Run

_MAY_DIFFER = {"method", "fields", "spec"}


def comparable(runs: list[Run]) -> list[Run]:
    """`runs` if they may be compared.

    Raises:
        CompareError: two of them differ in the model, the data, the seed, the capture, an option or the code; names it.
    """
    for first, run in ((runs[0], run) for run in runs[1:]):
        for name, value in asdict(first.plan).items():
            other = getattr(run.plan, name)
            if name in _MAY_DIFFER or other == value:
                continue
            if isinstance(value, dict):
                name += "." + next(key for key in sorted({*value, *other}) if value.get(key) != other.get(key))
            raise CompareError(
                f"runs {first.run_id!r} and {run.run_id!r} differ in {name}: "
                "compared runs may differ in method, its fields and the spec only; choose runs of one capture."
            )
    return runs


def run_labels(runs: list[Run]) -> list[str]:
    """A label for each run: its method, those of its fields that differ among runs of that method, and its spec.

    Where more than three differ, as one field may set many, only as many are named as tell the runs apart, the first ones first.
    """
    labels = []
    for run in runs:
        names = _telling([own_fields(other.plan) for other in runs if other.plan.method == run.plan.method])
        fields = ", ".join(f"{name}={run.plan.fields[name]}" for name in names if name in run.plan.fields)
        labels.append(f"{run.plan.method}{f' ({fields})' if fields else ''} {spec_in_words(run.plan)}")
    return [label if labels.count(label) == 1 else f"{label} #{place}" for place, label in enumerate(labels, 1)]


def _telling(kin: list[dict]) -> list[str]:
    """Names of the fields that tell runs of one method apart."""
    names = dict.fromkeys(name for fields in kin for name in fields)
    differing = [name for name in names if any(fields.get(name) != kin[0].get(name) for fields in kin)]
    if len(differing) <= 3:
        return sorted(differing)

    def told(some: list[str]) -> int:
        return len({tuple(repr(fields.get(name)) for name in some) for fields in kin})

    return next(some for some in (differing[:count] for count in range(1, len(names) + 1)) if told(some) == told(differing))


def compare_methods(runs: list[Run], selection: Selection) -> pd.DataFrame:
    """Output error of each run by modality.

    Returns:
        run_id, method, fields, spec, label, modality, layers, pooled_sqnr_db (sums of squares added over layers),
        worst_sqnr_db and worst_layer (the layer with the lowest), bypass_density (percent of the input values kept in full
        precision; null where the run does not say). In the order of `runs`.

    Raises:
        CompareError: the runs differ in more than method, fields and spec.
        StoreError: no quantize run.
    """
    runs = comparable(quantized(runs))
    sums = error_sums_of(runs, selection, "output")
    keys = ["run", "modality"]
    pooled = summed(sums, keys, ["signal_sq", "error_sq"]).set_index(keys)
    pooled["pooled_sqnr_db"] = sqnr_db(pooled["signal_sq"], pooled["error_sq"])
    pooled["layers"] = sums.groupby(keys, sort=False)["layer"].nunique()
    single = sums.assign(db=sqnr_db(sums["signal_sq"], sums["error_sq"])).dropna(subset="db")
    worst = single.loc[single.groupby(keys, sort=False)["db"].idxmin()].set_index(keys)
    pooled["worst_sqnr_db"], pooled["worst_layer"] = worst["db"], worst["layer"]
    pooled["bypass_density"] = _bypass(runs, selection)
    names = [
        (run.run_id, run.plan.method, ", ".join(f"{name}={value}" for name, value in sorted(run.plan.fields.items())))
        + (run.plan.spec, label)
        for run, label in zip(runs, run_labels(runs), strict=True)
    ]
    named = pd.DataFrame(names, columns=["run_id", "method", "fields", "spec", "label"])
    found = pooled.reset_index().merge(named, left_on="run", right_index=True)
    columns = [*named.columns, "modality", "layers", "pooled_sqnr_db", "worst_sqnr_db", "worst_layer", "bypass_density"]
    return ordered(found, selection, "run")[columns]


def _bypass(runs: list[Run], selection: Selection) -> pd.Series:
    """Percent of the input values kept in full precision, by run and modality, of the runs that say."""
    places = [place for place, run in enumerate(runs) if "input" in all_errors(run)["tap"].unique().to_pylist()]
    if not places:
        return pd.Series(dtype=float, index=pd.MultiIndex.from_arrays([[], []]))
    found = error_sums_of([runs[place] for place in places], selection, "input")
    found = found[found["bypassed"].notna()].assign(values=lambda rows: rows["tokens"] * rows["width"])
    found["run"] = found["run"].map(dict(enumerate(places)))
    found = summed(found, ["run", "modality"], ["values", "bypassed"]).set_index(["run", "modality"])
    return 100.0 * found["bypassed"] / found["values"]


def before_and_after(runs: list[Run], selection: Selection, measure: str) -> pd.DataFrame:
    """`layer_errors` of one run, or of two that may be compared; with columns run_id, label_run and stage.

    Stage is "after" for the last run and "before" for the one ahead of it.

    Raises:
        CompareError: more than two runs, or two that differ in more than method, fields and spec.
    """
    runs = comparable(quantized(runs))
    if len(runs) > 2:
        raise CompareError(f"before and after are two runs, {len(runs)} are chosen: leave two, or use the comparison of methods.")
    found = _by_layer(runs, selection, measure)
    return found.assign(stage=np.where(found.pop("run") == len(runs) - 1, "after", "before"))


def compare_depth(runs: list[Run], selection: Selection, measure: str = "output_sqnr_db") -> pd.DataFrame:
    """`layer_errors` of every run, with columns run_id and label_run, in the order of `runs`."""
    return _by_layer(comparable(quantized(runs)), selection, measure).drop(columns="run")


def _by_layer(runs: list[Run], selection: Selection, measure: str) -> pd.DataFrame:
    found = layer_errors_of(runs, selection, measure)
    if found.empty:
        raise StoreError(f"no layer of these runs has a {measure}, no channel is masked: choose another measure or method.")
    ids, labels = dict(enumerate(run.run_id for run in runs)), dict(enumerate(run_labels(runs)))
    return found.assign(run_id=found["run"].map(ids), label_run=found["run"].map(labels))
