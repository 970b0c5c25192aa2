"""Which runs a view is put to when the user names none, or names several of several kinds."""

from morphoquant.core.errors import CompareError, StoreError
from morphoquant.queries.beside import may_stand
from morphoquant.queries.compare import comparable
from morphoquant.queries.evaluations import calibrations, companions, newest_evaluation, with_other_calibrations
from morphoquant.queries.paired import baseline_of
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.asked import fits
from morphoquant.views.base import View


def among(view: View, runs: list[Run]) -> list[Run]:
    """Those of `runs` that `view` is put to, in their order; empty if there is none.

    A view of one run gets the first; a view of captures the capture itself rather than a run that was fitted to it.
    """
    found = sorted(
        (run for run in runs if fits(view, run)), key=lambda run: view.runs == "capture" and run.plan.kind != "capture"
    )
    return found[: view.most] if view.most else found


def newest(store: RunStore, view: View) -> list[Run]:
    """The newest finished run that `view` can show, or all that belong side by side.

    Raises:
        StoreError: there is none.
        CompareError: likewise, of quantize runs.
    """
    if view.runs == "none":
        return []
    if view.runs == "evaluate":
        return _evaluations(store, view)
    if view.least > 1:
        return _several(store, view)
    if view.runs == "many":
        return kin(store)[: view.most] if view.most else kin(store)
    for entry in store.entries():
        header = entry.header
        if header and header.status == "finished" and header.plan.kind == view.runs:
            return [store.open(entry.run_id)]
    raise StoreError(f"there is no finished {view.runs} run for {view.name!r}: make one with: python -m morphoquant {view.runs}.")


def kin(store: RunStore, of: Run | None = None) -> list[Run]:
    """A finished quantize run and all that may be compared with it, oldest first.

    Args:
        store: where they are.
        of: the run, absent for the newest.

    Raises:
        CompareError: there is none.
    """
    headers = [entry.header for entry in store.entries() if entry.header]
    runs = [store.open(h.run_id) for h in headers if h.status == "finished" and h.plan.kind == "quantize"]
    if not runs:
        raise CompareError("there is no finished quantize run to compare: make some with: python -m morphoquant quantize.")
    first = of or runs[0]

    def fit(other: Run) -> bool:
        try:
            return bool(comparable([first, other]))
        except CompareError:
            return False

    return [other for other in runs if fit(other)][::-1]


def of_run(store: RunStore, run: Run, view: View) -> list[Run]:
    """The runs that `view` is put to where one run is told of as a whole: its capture, itself, or itself with its like.

    Raises:
        UnknownNameError: its capture is not in the cache.
        StoreError: nothing to set it against.
    """
    if view.runs == "capture" and run.plan.kind != "capture":
        return [store.open(str(run.plan.capture))]
    return beside(store, run, view)


def beside(store: RunStore, run: Run, view: View) -> list[Run]:
    """`run` with all that may stand beside it in `view`; in a view of two plain rounding comes first."""
    if view.least > 1:
        return _several(store, view, run)
    if run.plan.kind == "quantize" and view.runs == "many":
        others = kin(store, run)
        return others if view.most is None else [*_rounding(run, others), run]
    if run.plan.kind == "evaluate" and view.runs == "evaluate":
        return _beside_evaluation(store, run, view)
    return [run]


def _several(store: RunStore, view: View, of: Run | None = None) -> list[Run]:
    """`of`, or the newest that `view` can show, with as many as may stand beside it; alone where none may."""
    if view.runs == "quantize":
        first = [of] if of else []
        return [*first, *(run for run in kin(store, of) if of is None or run.run_id != of.run_id)][: view.most]
    headers = [entry.header for entry in store.entries() if entry.header]
    captures = [store.open(h.run_id) for h in headers if h.status == "finished" and h.plan.kind == "capture"]
    if of is not None:
        own = of.run_id if of.plan.kind == "capture" else of.plan.capture
        captures = [*(run for run in captures if run.run_id == own), *(run for run in captures if run.run_id != own)]
    return [run for run in captures if run is captures[0] or may_stand(captures[0], run)][: view.most]


def _rounding(run: Run, others: list[Run]) -> list[Run]:
    """Plain rounding at the spec of `run`, if it is there and another run."""
    found = [other for other in others if other.plan.method == "rtn" and other.plan.spec == run.plan.spec]
    return [other for other in found if other.run_id != run.run_id][:1]


def _evaluations(store: RunStore, view: View) -> list[Run]:
    """The newest evaluation and all that belong beside it; for a test of two, the newest after what it is set against."""
    if view.name == "calibration_matrix" and (several := with_other_calibrations(store.entries())):
        return calibrations(store, store.open(several[0][0].run_id))
    return _beside_evaluation(store, newest_evaluation(store), view)


def _beside_evaluation(store: RunStore, run: Run, view: View) -> list[Run]:
    if view.name == "calibration_matrix":
        return calibrations(store, run)
    found = companions(store, run)
    if view.most != 2:
        return found
    baseline = baseline_of(run, found)
    if baseline is None:
        raise StoreError(
            "there is one evaluation only, and nothing to set it against: evaluate a method, or name two with --run."
        )
    return [baseline, run]
