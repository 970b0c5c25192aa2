"""The Pareto front of bits against the sum of KL, and what evaluations of such allocations measured."""

import numpy as np
import pandas as pd

from morphoquant.core.allocation import own_fields, spec_in_words, specs_of
from morphoquant.queries.allocation import FULL, Choices, choices
from morphoquant.queries.answers import against, answers
from morphoquant.queries.evaluations import full_precision_of
from morphoquant.queries.intervals import mean_interval
from morphoquant.queries.sensitivity import sum_and_whole
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

FRONT, MEASURED = "front", "measured"
# Points of the front that are kept, evenly spread.
_MOST = 160


def allocation_front(store: RunStore, run: Run, side: str, subjects: tuple[str, ...] = ()) -> pd.DataFrame:
    """Mean bits on a side against KL to full precision.

    Args:
        store: holds the sensitivity runs, their capture, and evaluations.
        run: a sensitivity run; those like it at other specs are taken in.
        side: "weights" or "activations".
        subjects: count only items about these, empty for all.

    Returns:
        kind ("front": the least sum that the budget allows; "measured": an allocation, or one spec for all groups, answered
        the same items), label, bits (mean on the side), w_bits, a_bits, sum (of the groups' KL, each alone; null where a spec
        was not measured), kl, kl_low, kl_high (measured mean nats an item with its 95 % interval; null on the front, the
        interval also where only the sum is stored), groups (how many have each spec), run_id. By kind, then bits.

    Raises:
        StoreError: no sensitivity run, or none of the subjects.
        UnknownNameError: another side, or the capture is not in the store.
    """
    given = choices(store, run, subjects)
    solved = given.solved(side)
    corners = solved.corners()
    kept = corners[np.unique(np.linspace(0, len(corners) - 1, min(_MOST, len(corners))).round().astype(int))]
    rows = [_row(given, side, given.named(solved.options(place)), kind=FRONT) for place in kept]
    found = _evaluated(store, given)
    rows += [_row(given, side, specs, kind=MEASURED, **measured) for specs, measured in found]
    alone = {next(iter(specs.values())) for specs, _ in found if len(set(specs.values())) == 1}
    rows += [
        _row(given, side, *one, kind=MEASURED, **more) for *one, more in _wholes(given) if one[0][given.groups[0]] not in alone
    ]
    return pd.DataFrame(rows).sort_values(["kind", "bits"], kind="stable").reset_index(drop=True)


def proxy_in_words(frame: pd.DataFrame) -> str:
    """What the measured points of the frame of `allocation_front` say of the sum that groups are chosen by, in a sentence."""
    known = frame[(frame["kind"] == MEASURED) & frame["sum"].notna() & frame["kl_low"].notna()]
    if known.empty:
        return "No choice was measured on these items yet: the sum is a proxy, and errors of groups need not add up."
    off = known[(known["sum"] < known["kl_low"]) | (known["sum"] > known["kl_high"])]
    if off.empty:
        return f"The sum lies within the 95 % interval of what was measured at all {len(known)} points."
    worst = off.loc[(off["kl"] - off["sum"]).abs().idxmax()]
    return (
        f"The sum lies outside the 95 % interval of what was measured at {len(off)} of {len(known)} points "
        f"(at {worst['bits']:.3g} bits it says {worst['sum']:.2f} nats, measured are {worst['kl']:.2f}): errors of groups do not "
        "add up here, so choose by what was measured."
    )


def _row(given: Choices, side: str, specs: dict[str, str], kind: str, **measured) -> dict:
    bits = {name: given.mean_bits(name, specs) for name in ("weights", "activations")}
    count = pd.Series(list(specs.values())).value_counts().sort_index()
    groups = ", ".join(f"{number} {spec}" for spec, number in count.items())
    blank = dict.fromkeys(("kl", "kl_low", "kl_high"), np.nan)
    row = dict(kind=kind, label=None, bits=bits[side], w_bits=bits["weights"], a_bits=bits["activations"])
    return row | dict(sum=given.proxy(specs)) | blank | dict(groups=groups, run_id=None) | measured


def _evaluated(store: RunStore, given: Choices) -> list[tuple[dict[str, str], dict]]:
    """Evaluations of the method on the items of the sensitivity runs: specs by group, and what was measured."""
    wanted, found = given.runs[0].plan, []
    for entry in store.entries():
        plan = entry.header.plan if entry.header and entry.header.status == "finished" else None
        if plan is None or plan.kind != "evaluate" or _subject(plan) != _subject(wanted):
            continue
        run = store.open(entry.run_id)
        full = full_precision_of(store, run)
        if full is None:
            continue
        items = against(answers(run), answers(full), (run.run_id, full.run_id))
        items = items[items["subject"].isin(given.subjects)] if given.subjects else items
        if len(items):
            specs = dict.fromkeys(given.groups, str(plan.spec)) | specs_of(plan)
            low, high = mean_interval(items["kl"].to_numpy())
            measured = dict(kl=float(items["kl"].mean()), kl_low=max(low, 0.0) if low == low else low, kl_high=high)
            found.append((specs, measured | dict(label=f"{plan.method} {spec_in_words(plan)}", run_id=run.run_id)))
    return found


def _wholes(given: Choices) -> list[tuple[dict[str, str], dict]]:
    """What each sensitivity run measured with all groups at once."""
    found = []
    for run in given.runs:
        sums = sum_and_whole(run, given.subjects).iloc[0]
        if str(run.plan.spec) != FULL and pd.notna(sums["whole"]):
            measured = dict(kl=float(sums["whole"]), label=f"{run.plan.method} {run.plan.spec}", run_id=run.run_id)
            found.append((dict.fromkeys(given.groups, str(run.plan.spec)), measured))
    return found


def _subject(plan) -> tuple:
    """What a sensitivity run and an evaluation must share to stand on one axis."""
    data = plan.data.get("id"), plan.data.get("fingerprint")
    return plan.model, data, plan.capture, plan.method, own_fields(plan), plan.options, plan.code
