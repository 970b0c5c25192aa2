"""What the engine verbs share: a loaded model and the batches of a data set, with the identities that go into a plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.data.datasets import DATASETS
from morphoquant.data.sample import Sample, fingerprint
from morphoquant.models.load import LoadedModel, load
from morphoquant.runs.capture import capture
from morphoquant.runs.gradient_run import provide_gradients
from morphoquant.store.run_store import Run, RunStore


@dataclass(frozen=True)
class Workload:
    """Samples of one data set, encoded for one model, one sample a batch so that nothing is padded."""

    loaded: LoadedModel
    samples: list[Sample]
    data: dict[str, Any]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: slice) -> Iterator[dict]:
        return (self.loaded.encode([sample]) for sample in self.samples[index])


def load_model(args) -> LoadedModel:
    """Loads the model that the words name."""
    trust = args.trust_remote_code
    return load(
        args.model, args.cache, revision=args.revision, trust_remote_code=trust, device=args.device, progress=args.progress
    )


def load_model_of(args, run: Run) -> LoadedModel:
    """Loads the model of a capture run.

    Raises:
        ModelError: its files are no longer those of the run.
    """
    wanted = run.plan.model
    args.model, args.revision = wanted["id"], wanted["revision"]
    loaded = load_model(args)
    if loaded.identity["files"] != wanted["files"]:
        raise ModelError(f"the files of model {wanted['id']!r} are not those of run {run.run_id!r}: capture it again.")
    return loaded


def draw(loaded: LoadedModel, data: str, count: int, seed: int) -> Workload:
    """Draws `count` samples of a data set.

    Raises:
        UnknownNameError: no such data set.
        BatchError: fewer than one sample.
    """
    if count < 1:
        raise BatchError(f"cannot run {count} samples: give at least 1.")
    samples = DATASETS[data](count, seed)
    return Workload(loaded, samples, {"id": data, "fingerprint": fingerprint(samples), "samples": len(samples)})


def make_capture(args, loaded: LoadedModel) -> Run:
    """The capture run of a loaded model on the words' calibration data; from the cache if it is there.

    Raises:
        ModelError: activations were not finite; the run is stored all the same.
    """
    load = draw(loaded, args.data, args.samples, args.seed)
    made = capture(
        loaded.model,
        load,
        store=RunStore(args.cache),
        identity=loaded.identity,
        data=load.data,
        control=loaded.control,
        keep_rows=args.keep_rows,
        seed=args.seed,
        progress=args.progress,
    )
    _check_finite(made)
    return made


def make_gradients(args, loaded: LoadedModel, captures: Sequence[Run], pairs: Sequence[tuple]) -> None:
    """Gradients for each capture, if a method of (method, spec) pairs needs them; from the cache if they are there."""
    provide_gradients(loaded, captures, [method for method, _ in pairs], store=RunStore(args.cache), progress=args.progress)


def _check_finite(run: Run) -> None:
    counts = run.frame("channel_stats", ["group", "nan_count", "inf_count"])
    bad = counts[(counts["nan_count"] > 0) | (counts["inf_count"] > 0)]
    if not bad.empty:
        nans, infs = int(bad["nan_count"].sum()), int(bad["inf_count"].sum())
        raise ModelError(
            f"{nans} NaN and {infs} infinite values reached {bad['group'].nunique()} layers, the first of them "
            f"{bad['group'].iloc[0]}: run {run.run_id} is whole and leaves them out, but no method is fitted to it; "
            "look at the model's precision and its inputs."
        )
