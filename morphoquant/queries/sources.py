"""Which run a question is put to: the capture behind a quantize run, and the checks that a run can answer."""

from morphoquant.core.errors import StoreError
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore


def capture_of(store: RunStore, runs: list[Run]) -> Run:
    """The capture run among `runs`, or the one that the first quantize run was fitted to.

    Raises:
        StoreError: no run is given.
        UnknownNameError: the capture of a quantize run is not in the store.
    """
    if not runs:
        raise StoreError("no run is chosen: choose one, or make one with: python -m morphoquant capture.")
    return next((run for run in runs if run.plan.kind == "capture"), None) or store.open(str(runs[0].plan.capture))


def quantized(runs: list[Run]) -> list[Run]:
    """The quantize runs among `runs`, in their order.

    Raises:
        StoreError: there is none.
    """
    found = [run for run in runs if run.plan.kind == "quantize"]
    if not found:
        raise StoreError("no quantised run is chosen: choose one, or make one with: python -m morphoquant quantize.")
    return found


def static(run: Run) -> Run:
    """`run` if its grids are stored.

    Raises:
        StoreError: its method places the grid anew for each token, so that there is none to show.
    """
    if not run.has("grids"):
        raise StoreError(
            f"run {run.run_id!r} has no fixed grids for all rows, its activation quantiser is dynamic, off, or by modality: "
            "choose a run with one static range a channel, such as w4a4."
        )
    return run
