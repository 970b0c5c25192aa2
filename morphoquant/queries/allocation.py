"""What sensitivities say of giving each layer group a spec of its own: the least sum of KL for every budget of bits."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from morphoquant.core.allocation import Allocation, bits_of, own_fields
from morphoquant.core.errors import SpecError, StoreError, UnknownNameError
from morphoquant.core.spec import FULL_PRECISION_BITS
from morphoquant.queries.knapsack import Solved, solve
from morphoquant.queries.sensitivity import POOLED, sensitivity
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

FULL = f"w{FULL_PRECISION_BITS}a{FULL_PRECISION_BITS}"
# name of a side: place of its bits in `bits_of`
SIDES = {"weights": 0, "activations": 1}


@dataclass(frozen=True, eq=False)
class Choices:
    """What may be chosen for each group, and what it costs.

    Attributes:
        runs: the sensitivity runs, one a spec.
        subjects: what was asked about in the items that count; empty for all.
        groups: names, in the order of the model.
        labels: short names of the groups.
        specs: measured specs, then full precision.
        kl: KL of the answers to full precision with that group alone at that spec, mean nats an item [groups, specs].
        parameters: weights of each group [groups].
        macs: multiply-accumulates of each group over the calibration data [groups].
    """

    runs: tuple[Run, ...]
    subjects: tuple[str, ...]
    groups: list[str]
    labels: dict[str, str]
    specs: list[str]
    kl: np.ndarray
    parameters: np.ndarray
    macs: np.ndarray

    def shares(self, side: str) -> np.ndarray:
        """What the bits of each group count on a side: parameters for weights, multiply-accumulates for activations.

        Raises:
            UnknownNameError: another side.
        """
        if side not in SIDES:
            raise UnknownNameError("side", side, SIDES)
        return self.parameters if side == "weights" else self.macs

    def mean_bits(self, side: str, specs: Mapping[str, str]) -> float:
        """Mean bits on a side with a spec for each group."""
        shares = self.shares(side)
        bits = np.array([bits_of(specs[group])[SIDES[side]] for group in self.groups])
        return float((bits * shares).sum() / shares.sum())

    def proxy(self, specs: Mapping[str, str]) -> float:
        """Sum of the groups' KL, nats an item; NaN where a spec was not measured."""
        if not set(specs.values()) <= set(self.specs):
            return float("nan")
        return float(sum(self.kl[place, self.specs.index(specs[group])] for place, group in enumerate(self.groups)))

    def solved(self, side: str) -> Solved:
        """The least sum of KL for every budget on a side."""
        bits = np.array([bits_of(spec)[SIDES[side]] for spec in self.specs])
        return solve(self.shares(side)[:, None] * bits, self.kl)

    def named(self, options: Sequence[int]) -> dict[str, str]:
        """{group: spec} from the place of each group's spec in `specs`."""
        return {group: self.specs[option] for group, option in zip(self.groups, options, strict=True)}


def alike(store: RunStore, run: Run) -> list[Run]:
    """Finished sensitivity runs that differ from `run` in the spec alone, itself included; fewest bits first."""
    if run.plan.kind != "sensitivity":
        return [run]
    found = {str(run.plan.spec): run}
    for entry in store.entries():
        header = entry.header
        if header and header.status == "finished" and replace(header.plan, spec=run.plan.spec) == run.plan:
            found.setdefault(str(header.plan.spec), store.open(entry.run_id))
    return [found[spec] for spec in sorted(found, key=lambda spec: (sum(bits_of(spec)), spec))]


def choices(store: RunStore, run: Run, subjects: tuple[str, ...] = ()) -> Choices:
    """What `run`, and the sensitivity runs like it at other specs, let one choose from.

    Args:
        store: holds them and their capture.
        run: a sensitivity run.
        subjects: count only items about these, empty for all.

    Raises:
        StoreError: no sensitivity run, none of the subjects, or a capture without some of the groups.
        UnknownNameError: the capture is not in the store.
    """
    frames = [(one, sensitivity(one, subjects)) for one in alike(store, run)]
    tables = {str(one.plan.spec): _mean_kl(frame) for one, frame in frames if str(one.plan.spec) != FULL}
    labels = frames[0][1].drop_duplicates("group").sort_values("order").set_index("group")["label"]
    groups = list(labels.index)
    kl = np.array([[table.get(group, np.nan) for table in tables.values()] + [0.0] for group in groups])
    if np.isnan(kl).any():
        raise StoreError(f"run {run.run_id!r} and those like it at other specs hold different groups: make them anew.")
    shares = _shares(store, run)
    if missing := next((group for group in groups if group not in shares.index), None):
        raise StoreError(f"capture {run.plan.capture!r} does not hold group {missing!r} of {run.run_id!r}: make both anew.")
    found = shares.loc[groups]
    runs = tuple(one for one, _ in frames)
    sizes = found["parameters"].to_numpy(np.int64), found["macs"].to_numpy(np.int64)
    return Choices(runs, subjects, groups, labels.to_dict(), [*tables, FULL], kl, *sizes)


def allocate(given: Choices, side: str, bits: float) -> Allocation:
    """The specs with the least sum of KL whose mean bits on a side are `bits` or fewer.

    Raises:
        UnknownNameError: another side.
        SpecError: fewer bits than the cheapest choice has.
    """
    total = given.shares(side).sum()
    solved = given.solved(side)
    place = solved.place(bits * total * (1 + 1e-12))
    if place < 0:
        raise SpecError(
            f"a mean of {bits:g} bits is out of reach: with {', '.join(given.specs)} to choose from, {side} have at least "
            f"{solved.least / total:.3g}; allow more, or measure the sensitivity at a smaller spec."
        )
    return allocation(given, given.named(solved.options(place)))


def allocation(given: Choices, specs: Mapping[str, str]) -> Allocation:
    """`specs` with what they cost and what they are expected to do."""
    plan = given.runs[0].plan
    return Allocation(
        method=str(plan.method),
        fields=own_fields(plan),
        specs=dict(specs),
        capture=plan.capture,
        sensitivity=tuple(run.run_id for run in given.runs),
        subjects=given.subjects,
        mean_w_bits=given.mean_bits("weights", specs),
        mean_a_bits=given.mean_bits("activations", specs),
        kl=given.proxy(specs),
    )


def raised(given: Choices, specs: Mapping[str, str]) -> pd.DataFrame:
    """The groups by spec, most bits first: spec, groups, and of those the one that does most when it alone is quantised."""
    worst = dict(zip(given.groups, given.kl.max(1), strict=True))
    counts = Counter(specs.values())
    rows = []
    for spec in sorted(counts, key=lambda one: (-sum(bits_of(one)), one)):
        own = [group for group in given.groups if specs[group] == spec]
        rows.append({"spec": spec, "groups": counts[spec], "most sensitive": given.labels[max(own, key=worst.__getitem__)]})
    return pd.DataFrame(rows)


def _mean_kl(frame: pd.DataFrame) -> dict[str, float]:
    """{group: mean KL over all items} of the frame of `sensitivity`."""
    key = POOLED if (frame["subject"] == POOLED).any() else frame["subject"].iat[0]
    return frame[frame["subject"] == key].set_index("group")["kl"].to_dict()


def _shares(store: RunStore, run: Run) -> pd.DataFrame:
    """Parameters and multiply-accumulates by group, from the capture."""
    capture = store.open(str(run.plan.capture))
    layers = capture.frame("layers")
    parameters = (layers["in_features"].astype(np.int64) * layers["out_features"]).groupby(layers["group"]).sum()
    rows = capture.frame("channel_stats", ["group", "count"], {"channel": 0}).groupby("group")["count"].sum()
    macs = parameters * rows.reindex(parameters.index, fill_value=0)
    return pd.DataFrame({"parameters": parameters, "macs": macs})
