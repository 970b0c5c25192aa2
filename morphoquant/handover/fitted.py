"""The method of the model arguments, fitted to their capture."""

from morphoquant.core.errors import ModelError
from morphoquant.handover.arguments import Arguments
from morphoquant.methods.base import GroupFit, Need
from morphoquant.models.load import LoadedModel
from morphoquant.runs.fitting import fit
from morphoquant.runs.gradient_run import provide_gradients
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.scope import check_model
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore


def capture_of(arguments: Arguments) -> Run | None:
    """The capture run that the method is fitted to, absent for full precision.

    Raises:
        StoreError: the run cannot be read.
        UnknownNameError: there is no such run.
        ModelError: it is no capture, or lacks what the method needs.
    """
    pair = arguments.pair()
    if pair is None:
        return None
    run = RunStore(arguments.runs).open(arguments.capture)
    if run.plan.kind != "capture":
        raise ModelError(f"run {run.run_id!r} is of kind {run.plan.kind}: give a capture run.")
    if Need.SAMPLE in pair[0].needs and not run.has("token_sample"):
        raise ModelError(
            f"run {run.run_id!r} is shipped without the tokens that {pair[0].name} needs: "
            "capture the model with python -m morphoquant capture, and give that run."
        )
    return run


def fitted(arguments: Arguments, capture: Run | None, loaded: LoadedModel) -> dict[str, GroupFit]:
    """Fits by group name, empty for full precision; the same as `evaluate` makes of these words.

    Raises:
        ModelError: the capture is of another model, or of nothing in the scope.
    """
    pair = arguments.pair()
    if pair is None or capture is None:
        return {}
    check_model(capture, loaded.identity)
    provide_gradients(loaded, [capture], [pair[0]], store=RunStore(arguments.runs))
    (fits,) = fit([pair], CalibrationInputs(capture, loaded.model, arguments.parts()))
    return fits
