"""A run of gradients: measured once on the samples of a capture, and found again by whatever is fitted to that capture."""

import time
from collections.abc import Iterable, Sequence

import pyarrow as pa
import torch

from morphoquant import __version__
from morphoquant.core.errors import BatchError, ModelError, UnknownNameError
from morphoquant.core.modality import Modality
from morphoquant.core.plan import RunPlan
from morphoquant.core.progress import Progress, silent
from morphoquant.data.datasets import DATASETS
from morphoquant.data.sample import Sample, fingerprint
from morphoquant.methods.base import Method, Need
from morphoquant.models.load import LoadedModel
from morphoquant.runs.gradients import Gradients, measure_gradients
from morphoquant.runs.scope import check_model
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.store.schema import TABLES


def provide_gradients(
    loaded: LoadedModel, captures: Sequence[Run], methods: Iterable[Method], *, store: RunStore, progress: Progress = silent
) -> None:
    """Measures gradients for every capture that has none yet, if one of the methods needs them.

    Args:
        loaded: the captured model.
        captures: finished capture runs of data sets, whose samples are drawn again.
        methods: those that will be fitted to them.
        store: where the captures are and the gradients go.
        progress: told what is done.

    Raises:
        BatchError: the samples of a capture cannot be drawn again, or none of them has an answer.
        ModelError: a capture is of another model.
    """
    if any(Need.GRADIENTS in method.needs for method in methods):
        for capture in captures:
            if store.finished(_plan(capture)) is None:
                store_gradients(loaded, capture, _samples(capture), store=store, progress=progress)


def store_gradients(
    loaded: LoadedModel, capture: Run, samples: Sequence[Sample], *, store: RunStore, progress: Progress = silent
) -> Run:
    """The run of gradients for a capture; from the cache if it is there.

    Args:
        loaded: the captured model.
        capture: a finished capture run.
        samples: those that were captured, or others with answers. What has no answer, or media that the model does not take,
            is passed over.
        store: where the capture is and the run goes.
        progress: told what is done.

    Raises:
        BatchError: no sample has an answer.
        ModelError: the capture is of another model.
    """
    check_model(capture, loaded.identity)
    plan = _plan(capture)
    with store.unfinished([plan], progress) as writers:
        for writer in writers.values():
            started = time.monotonic()
            taken = [one for one in samples if one.modalities <= loaded.modalities and loaded.refusal(one) is None]
            found = measure_gradients(loaded, taken, progress)
            facts = {"seconds": round(time.monotonic() - started, 1), "samples": found.samples, "torch": torch.__version__}
            writer.finish({"gradients": [_table(found)]}, facts)
    return store.open(plan.run_id)


def stored_gradients(capture: Run) -> Gradients:
    """The gradients measured for a capture.

    Raises:
        ModelError: there are none.
    """
    run = RunStore(capture.folder.parents[1]).finished(_plan(capture))
    if run is None:
        raise ModelError(
            f"no gradients of the answers' loss are there for run {capture.run_id!r}: measure them with python -m morphoquant "
            f"quantize --run {capture.run_id} --method mbq, or give the method its fields image, video and audio."
        )
    by_layer: dict[str, dict[Modality | None, float]] = {}
    for row in run.table("gradients").to_pylist():
        modality = None if row["modality"] is None else Modality(row["modality"])
        by_layer.setdefault(row["layer"], {})[modality] = row["gradient"]
    return Gradients(by_layer, run.header.summary["samples"], run.header.summary["seconds"])


def _plan(capture: Run) -> RunPlan:
    made = capture.plan
    return RunPlan("gradients", made.model, made.data, {}, made.seed, __version__, capture=capture.run_id)


def _samples(capture: Run) -> list[Sample]:
    """The captured samples, drawn again."""
    data = capture.plan.data
    try:
        samples = DATASETS[data["id"]](data["samples"], capture.plan.seed)
    except UnknownNameError:
        samples = []
    if fingerprint(samples) != data["fingerprint"]:
        raise BatchError(
            f"the samples of run {capture.run_id!r} cannot be drawn again, and gradients are of their answers: capture the "
            "model anew with python -m morphoquant capture, or give the method its fields image, video and audio."
        )
    return samples


def _table(found: Gradients) -> pa.Table:
    rows = [
        {"layer": layer, "modality": None if modality is None else str(modality), "gradient": mean}
        for layer, means in found.by_layer.items()
        for modality, mean in means.items()
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["gradients"])
