"""Evaluate runs: which may stand side by side, the full-precision run that they are held against, and their names."""

from collections.abc import Sequence
from dataclasses import replace

from morphoquant.core.errors import CompareError, StoreError, UnknownNameError
from morphoquant.core.plan import RunPlan
from morphoquant.core.spec import QuantSpec
from morphoquant.queries.compare import run_labels
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunEntry, RunStore

FULL_PRECISION = "full precision"
ALL = "all"
_CALIBRATION = "demo-calibration"
# What a full-precision run has not: nothing is fitted and nothing is quantised.
_OF_A_METHOD = {"method", "fields", "spec", "capture", "options.scope", "options.control"}
_MADE_BY = "make one with: python -m morphoquant evaluate demo --method rtn morphoquant --spec w4a4."


def evaluated(runs: list[Run]) -> list[Run]:
    """The evaluate runs among `runs`, in their order.

    Raises:
        StoreError: there is none.
    """
    found = [run for run in runs if run.plan.kind == "evaluate"]
    if not found:
        raise StoreError(f"no evaluation is chosen: choose one, or {_MADE_BY}")
    return found


def is_full_precision(plan: RunPlan) -> bool:
    """Whether an evaluate run quantises nothing."""
    return plan.method is None


def differing_field(one: RunPlan, other: RunPlan, captures: bool = False) -> str | None:
    """Name of the first field that forbids to put two evaluations side by side, absent if there is none.

    They may differ in method, its fields and the spec; a full-precision run also in capture and scope, as it has neither.

    Args:
        one: plan of an evaluate run.
        other: plan of another one.
        captures: whether quantised runs may be calibrated on different captures.
    """
    free = {"method", "fields", "spec", *({"capture"} if captures else ())}
    if is_full_precision(one) or is_full_precision(other):
        free |= _OF_A_METHOD
    values, others = _flat(one), _flat(other)
    return next((name for name in sorted({*values, *others}) if name not in free and values.get(name) != others.get(name)), None)


def side_by_side(runs: list[Run], captures: bool = False) -> list[Run]:
    """`runs` if their results may be put side by side; see `differing_field`.

    Raises:
        CompareError: two of them differ in the model, the items, the seed, the scope or the like; names it.
    """
    for place, run in enumerate(runs):
        for earlier in runs[:place]:
            name = differing_field(earlier.plan, run.plan, captures)
            if name is not None:
                raise CompareError(
                    f"evaluations {earlier.run_id!r} and {run.run_id!r} differ in {name}: results stand side by side only for "
                    f"one model, the same items, one seed{'' if captures else ', one capture'} and one scope; "
                    "choose runs of one evaluate command."
                )
    return runs


def full_precision_of(store: RunStore, run: Run) -> Run | None:
    """The finished full-precision evaluation of the same model on the same items, absent if there is none."""
    if is_full_precision(run.plan):
        return run
    return next((found for found in companions(store, run) if is_full_precision(found.plan)), None)


def companions(store: RunStore, run: Run, captures: bool = False) -> list[Run]:
    """All finished evaluations that may stand beside `run`, itself included: full precision first, then oldest first."""
    found = []
    for entry in store.entries():
        header = entry.header
        if header and header.status == "finished" and header.plan.kind == "evaluate":
            if differing_field(header.plan, run.plan, captures) is None:
                found.append(store.open(entry.run_id))
    if is_full_precision(run.plan):
        found = _of_one_family(found, captures)
    # A full-precision run without the control has that as its one field; one with it serves all.
    full = sorted((one for one in found if is_full_precision(one.plan)), key=lambda one: len(one.plan.fields))[:1]
    return full + [one for one in found[::-1] if not is_full_precision(one.plan)]


def with_other_calibrations(entries: Sequence[RunEntry]) -> list[list[RunEntry]]:
    """Finished, quantised evaluations that differ in what they were calibrated on alone: a list for each such family."""
    families: dict[str, list[RunEntry]] = {}
    for entry in entries:
        header = entry.header
        if header and header.status == "finished" and header.plan.kind == "evaluate" and not is_full_precision(header.plan):
            families.setdefault(repr(sorted(_flat(replace(header.plan, capture=None)).items())), []).append(entry)
    return [family for family in families.values() if len(family) > 1]


def calibrations(store: RunStore, run: Run) -> list[Run]:
    """Evaluations that differ from `run` in what they were calibrated on alone, itself included; full precision first."""
    plan = replace(run.plan, capture=None)
    found = companions(store, run, captures=True)
    return [one for one in found if is_full_precision(one.plan) or replace(one.plan, capture=None) == plan]


def by_spec(runs: list[Run]) -> list[Run]:
    """`runs` as tables list them: full precision, then from many bits to few; equal specs together, in their order."""

    def bits(run: Run) -> tuple:
        if is_full_precision(run.plan):
            return (0,)
        spec = QuantSpec.parse(str(run.plan.spec))
        return (1, -(spec.w_bits + spec.a_bits), -spec.w_bits, str(spec))

    return sorted(runs, key=bits)


def calibration_cells(entries: Sequence[RunEntry]) -> frozenset[str]:
    """Identifiers of the evaluations that are cells of a calibration matrix: looked at by themselves they tell little."""
    return frozenset(entry.run_id for family in with_other_calibrations(entries) for entry in family)


def most_telling(entries: Sequence[RunEntry]) -> list[RunEntry]:
    """Evaluations or rankings in the order in which one is looked at unasked.

    Finished ones before others; quantised ones; not the cells of a calibration matrix; those made here, newest first; then
    shipped ones, of which those that were asked most questions come first.

    Args:
        entries: newest first.
    """
    cells = calibration_cells(entries)

    def rank(entry: RunEntry) -> tuple:
        header = entry.header
        if header is None or header.status != "finished":
            return (header is None, True)
        questions = header.plan.data.get("samples", 0) if header.stored else 0
        return (False, False, is_full_precision(header.plan), entry.run_id in cells, header.stored, -questions)

    return sorted(entries, key=rank)


def newest_evaluation(store: RunStore) -> Run:
    """The finished evaluation that is looked at unasked; see `most_telling`.

    Raises:
        StoreError: there is none.
    """
    entries = [entry for entry in store.entries() if entry.header and entry.header.status == "finished"]
    found = most_telling([entry for entry in entries if entry.header.plan.kind == "evaluate"])
    if not found:
        raise StoreError(f"there is no finished evaluation: {_MADE_BY}")
    return store.open(found[0].run_id)


def _of_one_family(runs: list[Run], captures: bool) -> list[Run]:
    """Of all runs that fit a full-precision one, those that also fit the newest quantised one."""
    newest = next((run for run in runs if not is_full_precision(run.plan)), None)
    return runs if newest is None else [run for run in runs if differing_field(newest.plan, run.plan, captures) is None]


def evaluation_labels(runs: list[Run]) -> list[str]:
    """A label for each run: "full precision", or its method, those of its fields that differ among the runs, and its spec."""
    quantised = [run for run in runs if not is_full_precision(run.plan)]
    labels = iter(run_labels(quantised))
    return [FULL_PRECISION if is_full_precision(run.plan) else next(labels) for run in runs]


def calibration_of(store: RunStore, run: Run) -> str | None:
    """Short name of the data that a run was calibrated on: what follows "demo-calibration-", "all" for the plain set.

    Raises:
        StoreError: an older run does not name its data, and its capture is not in the store.
    """
    if run.plan.capture is None:
        return None
    if data := run.header.summary.get("calibration"):
        return calibration_name(data)
    try:
        data = str(store.open(run.plan.capture).plan.data.get("id"))
    except UnknownNameError:
        raise StoreError(
            f"capture {run.plan.capture!r} of run {run.run_id!r} is not in the cache, so that its calibration data are unknown: "
            "put it back, or evaluate again."
        ) from None
    return calibration_name(data)


def calibration_name(data: str) -> str:
    """Short name of a calibration set: "all" for the plain one, what follows "demo-calibration-", else as it is."""
    return ALL if data == _CALIBRATION else data.removeprefix(f"{_CALIBRATION}-")


def scope_of(plan: RunPlan) -> str:
    """The quantised parts in words: "language + vision"; empty in full precision."""
    return " + ".join(plan.options.get("scope") or ())


def _flat(plan: RunPlan) -> dict:
    """The plan's fields; those of its dictionaries (but the method's own) by "name.key"."""
    flat = {}
    for name, value in vars(plan).items():  # asdict would copy all of it, once for each pair of runs
        if isinstance(value, dict) and name != "fields":
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat
