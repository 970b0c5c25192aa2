"""Reads the evidence of a capture and a quantize run from the store."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import pandas as pd

from morphoquant.core.errors import CompareError, StoreError
from morphoquant.core.modality import CONTENT, Position
from morphoquant.core.selection import Selection
from morphoquant.core.spec import QuantSpec
from morphoquant.findings.evidence import CHANNEL_COLUMNS, ERROR_COLUMNS, TOKEN_COLUMNS, Evidence, Other, Places, blank, places
from morphoquant.queries.beyond import beyond_seen
from morphoquant.queries.compare import comparable, run_labels
from morphoquant.queries.decibels import sqnr_db, summed
from morphoquant.queries.errors import all_errors, errors_of
from morphoquant.queries.input_use import input_use
from morphoquant.queries.inputs import layer_inputs
from morphoquant.queries.layers import PLACE, all_layers, groups, layers
from morphoquant.queries.modalities import where
from morphoquant.queries.own_channels import changing
from morphoquant.queries.token_peaks import token_peaks
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

_LOOKED_AT = Selection(modalities=CONTENT)
_LOOKED_INTO = 12  # inputs whose kept tokens are read: all of a large model would take minutes
_KEYS = ["run", "layer", "modality", "tap", "source", "width"]
_SUMS = ["tokens", "signal_sq", "error_sq", "clip_sq", "round_sq", "bypassed"]


def fitted_to(store: RunStore, capture: str) -> list[Run]:
    """Finished quantize runs of a capture, newest first."""
    headers = [entry.header for entry in store.entries() if entry.header and entry.header.status == "finished"]
    return [store.open(one.run_id) for one in headers if one.plan.kind == "quantize" and one.plan.capture == capture]


def looked_at_first(runs: list[Run]) -> Run | None:
    """The run to begin with: plain rounding with fixed ranges, since the others are what mends it; else the newest."""

    def rank(run: Run) -> tuple[bool, bool]:
        return run.plan.method != "rtn", not run.has("grids")

    return min(runs, key=rank, default=None)


def subject(store: RunStore, named: str | None) -> tuple[Run, Run | None]:
    """The capture and the quantize run that findings are about.

    Args:
        store: the run folders.
        named: a quantize run, or a capture to look at it alone; absent for the newest capture with quantize runs, else the
            newest one, and `looked_at_first` of its runs.

    Raises:
        StoreError: there is no capture, or the run is of another kind.
        UnknownNameError: no such run, or a quantize run whose capture is not there.
    """
    if named is not None:
        run = store.open(named)
        if run.plan.kind == "capture":
            return run, None
        if run.plan.kind != "quantize":
            raise StoreError(f"run {named!r} is of kind {run.plan.kind}: findings are about a capture or a quantize run.")
        return store.open(str(run.plan.capture)), run
    headers = [entry.header for entry in store.entries() if entry.header and entry.header.status == "finished"]
    captures = [one.run_id for one in headers if one.plan.kind == "capture"]
    if not captures:
        raise StoreError("there is no finished capture to look at: make one with: python -m morphoquant capture.")
    capture = next((name for name in captures if fitted_to(store, name)), captures[0])
    return store.open(capture), looked_at_first(fitted_to(store, capture))


def gather(store: RunStore, capture: Run, run: Run | None, inputs: pd.DataFrame | None = None) -> Evidence:
    """Reads what the rules look at.

    Args:
        store: where other runs are looked for.
        capture: a finished capture.
        run: a finished quantize run fitted to it, absent to look at the capture alone.
        inputs: `layer_inputs` of the capture, if it was read before.

    Raises:
        StoreError: a table of the capture or of the run cannot be read.
    """
    inputs = layer_inputs(capture) if inputs is None else inputs
    alone = Evidence(capture.run_id, tokens=_tokens(capture), inputs=inputs, peaks=token_peaks(capture, _widest(inputs)))
    if run is None:
        return alone
    others = [other for other in fitted_to(store, capture.run_id) if _alike(run, other)]
    label, *labels = run_labels([run, *others])
    every = all_layers(run)
    bits = QuantSpec.parse(run.plan.spec).a_bits
    errors = _errors(run)
    return replace(
        alone,
        run=run.run_id,
        label=label,
        bits=bits if bits <= 8 else None,
        measured=_tokens(run),
        errors=errors,
        channels=_channels(run),
        beyond=beyond_seen(run, capture, _mostly_clipped(errors)),
        groups=dict(zip(every["layer"], every["group"], strict=True)),
        others=tuple(_readable(others, labels)),
    )


def _widest(inputs: pd.DataFrame) -> list[str]:
    """The inputs whose widest channel stands farthest above the median one: where a token may be far above the others."""
    rest = inputs[(inputs["position"] == str(Position.REST)) & (inputs["median_absmax"] > 0)]
    ratio = (rest["absmax"] / rest["median_absmax"]).groupby(rest["layer"], sort=False).max()
    return list(ratio.nlargest(_LOOKED_INTO).index)


def _alike(run: Run, other: Run) -> bool:
    """Whether `other` may be compared with `run` and has its bit-widths: more bits are no advice."""
    if other.run_id == run.run_id:
        return False
    one, two = (QuantSpec.parse(each.plan.spec) for each in (run, other))
    if (one.w_bits, one.a_bits) != (two.w_bits, two.a_bits):
        return False
    try:
        return bool(comparable([run, other]))
    except CompareError:
        return False


def _mostly_clipped(errors: pd.DataFrame) -> list[str]:
    """Inputs whose error is by half or more clipping in some modality: the only ones that unseen values can rule."""
    inputs = errors[errors["tap"] == "input"]
    return list(inputs.loc[inputs["clip_sq"] >= 0.5 * inputs["error_sq"], "layer"].unique())


def _tokens(run: Run) -> pd.DataFrame:
    frame = run.frame("tokens", ["modality", "count"]).rename(columns={"count": "tokens"})
    return frame.groupby("modality", sort=False)["tokens"].sum().reset_index()[TOKEN_COLUMNS]


def _errors(run: Run) -> pd.DataFrame:
    """Rows of `Evidence.errors`."""
    found = _looked_at([run])
    linears = {"input": groups(run, _LOOKED_AT), "output": layers(run, _LOOKED_AT)}
    parts = [found[found["tap"] == tap].merge(rows[PLACE], on="layer") for tap, rows in linears.items()]
    order = {str(name): place for place, name in enumerate(CONTENT)}
    joined = pd.concat(parts, ignore_index=True).assign(rank=lambda rows: rows["modality"].map(order))
    return joined.sort_values(["tap", "source", "order", "rank"], kind="stable", ignore_index=True)[ERROR_COLUMNS]


def _readable(others: Sequence[Run], labels: Sequence[str]) -> Iterator[Other]:
    """Those runs whose errors can be read: a damaged run is no advice, and no reason to say nothing of this one."""
    known = []
    for other, label in zip(others, labels, strict=True):
        with suppress(StoreError):
            all_errors(other)
            known.append((other, label))
    if known:
        # All of them at once: a pass over many small frames would take most of its time to begin and end.
        found = places(_looked_at([other for other, _ in known]))
        for place, (other, label) in enumerate(known):
            yield Other(other.run_id, label, found.get(place, Places({}, {})))


def _looked_at(runs: Sequence[Run]) -> pd.DataFrame:
    """What is looked at of the errors of `runs`, with SQNR; a run measures only what it quantises."""
    frame = errors_of(runs, _LOOKED_AT)
    found = summed(frame[frame["tokens"] > 0], _KEYS, _SUMS).astype(dict.fromkeys(_KEYS[1:5], str))
    return found.assign(db=sqnr_db(found["signal_sq"], found["error_sq"]))


def _channels(run: Run) -> pd.DataFrame:
    if not run.has("grid_use") or changing(run.plan):  # the grids of other channels than those that a link can show
        return blank(CHANNEL_COLUMNS)
    found = input_use(run)
    for name, wanted in where(_LOOKED_AT).items():
        found = found[found[name].isin(wanted)]
    return found[CHANNEL_COLUMNS].reset_index(drop=True)
