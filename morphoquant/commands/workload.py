"""What the engine verbs share: a loaded model and the batches of a data set, with the identities that go into a plan."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.memory import parse_memory
from morphoquant.data.datasets import DATASETS
from morphoquant.data.own import OwnSamples, is_own, read_own
from morphoquant.data.sample import Sample, fingerprint
from morphoquant.methods.base import Need
from morphoquant.models.load import DTYPES, LoadedModel, load
from morphoquant.quant.residence import device_of, is_offloaded
from morphoquant.runs.capture import capture
from morphoquant.runs.fitting import Held
from morphoquant.runs.gradient_run import provide_gradients, store_gradients
from morphoquant.store.place import local_folder
from morphoquant.store.run_store import Run, RunStore
from morphoquant.store.scratch import scratch


@dataclass(frozen=True)
class Workload:
    """Samples of one data set, encoded for one model, one sample a batch so that nothing is padded, on its device.

    Attributes:
        loaded: the model.
        samples: decoded when they are asked for, where they are a user's own.
        data: their identity in plans.
        refused: one sentence for each line or file that was left out.
    """

    loaded: LoadedModel
    samples: list[Sample] | OwnSamples
    data: dict[str, Any]
    refused: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: slice) -> Iterator[dict]:
        device = device_of(self.loaded.model)
        for sample in self.samples[index]:
            yield {name: value.to(device) for name, value in self.loaded.encode([sample]).items()}


def load_model(args) -> LoadedModel:
    """Loads the model that the words name."""
    trust = args.trust_remote_code
    folder = local_folder(args.cache)
    return load(
        args.model,
        folder,
        revision=args.revision,
        trust_remote_code=trust,
        device=args.device,
        dtype=dtype(args),
        memory=budget(args),
        progress=args.progress,
    )


def dtype(args, captured: Run | None = None) -> str:
    """Type of the model's weights: that of a capture run, else that of the words."""
    return getattr(args, "dtype", DTYPES[0]) if captured is None else captured.plan.model.get("dtype", DTYPES[0])


def budget(args) -> int | None:
    """Bytes that the words give the process; absent without any.

    Raises:
        SpecError: they are no size.
    """
    text = getattr(args, "memory", None)
    return None if text is None else parse_memory(text)


def load_model_of(args, run: Run) -> LoadedModel:
    """Loads the model of a capture run.

    Raises:
        ModelError: its files are no longer those of the run.
    """
    wanted = run.plan.model
    args.model, args.revision, args.dtype = wanted["id"], wanted["revision"], dtype(args, run)
    loaded = load_model(args)
    if loaded.identity["files"] != wanted["files"]:
        raise ModelError(f"the files of model {wanted['id']!r} are not those of run {run.run_id!r}: capture it again.")
    return loaded


@contextmanager
def fits_for_forwards(args, loaded: LoadedModel, pairs: Sequence[tuple]) -> Iterator[Held]:
    """Where fits are kept that the whole model runs with: in memory, or where the words bound it in files.

    Raises:
        ModelError: the model is larger than its device.
    """
    if budget(args) is None:
        yield Held()
        return
    if pairs and is_offloaded(loaded.model) and device_of(loaded.model).type != "cpu":
        raise ModelError("a quantised model that is larger than its device is not run yet: give --device cpu.")
    with scratch(local_folder(args.cache)) as folder:
        yield Held(folder=folder)


def draw(args, loaded: LoadedModel, data: str, count: int, *, tell: bool = True) -> Workload:
    """Draws `count` samples of a data set or of a user's own data.

    Args:
        args: the words, for the seed, the frames of a video and progress.
        loaded: the model, which must be able to take a user's samples.
        data: name of a data set, or path of a file of chat messages or of a folder of media.
        count: of samples; a user's own may be fewer.
        tell: writes a sentence for each line or file that is left out to standard error.

    Samples that the preflight drew (`args.drawn`) are not drawn again.

    Raises:
        UnknownNameError: no such data set.
        BatchError: fewer than one sample.
    """
    if count < 1:
        raise BatchError(f"cannot run {count} samples: give at least 1.")
    if (known := getattr(args, "drawn", {}).get((data, count))) is not None:
        return replace(known, loaded=loaded)
    if data not in DATASETS and is_own(data):
        own = read_own(data, count, args.seed, frames=args.video_frames, check=_check(loaded), progress=args.progress)
        for sentence in own.refused if tell else ():
            print(f"{own.name}: {sentence}", file=sys.stderr)
        identity = {"id": own.name, "fingerprint": own.fingerprint, "samples": len(own.samples)}
        return Workload(loaded, own.samples, identity, own.refused)
    samples = DATASETS[data](count, args.seed)
    refusals = [loaded.refusal(sample) for sample in samples]
    taken, refused = [s for s, why in zip(samples, refusals, strict=True) if why is None], tuple(filter(None, refusals))
    for sentence in refused if tell else ():
        print(f"{data}: {sentence}", file=sys.stderr)
    if not taken:
        raise BatchError(refused[0])
    # Named as they were drawn, so that they can be drawn again.
    return Workload(loaded, taken, {"id": data, "fingerprint": fingerprint(samples), "samples": len(samples)}, refused)


def make_capture(args, loaded: LoadedModel) -> Run:
    """The capture run of a loaded model on the words' calibration data; from the cache if it is there.

    Raises:
        ModelError: activations were not finite; the run is stored all the same.
    """
    load = draw(args, loaded, args.data, args.samples)
    made = capture(
        loaded.model,
        load,
        store=RunStore(args.cache),
        identity=loaded.identity,
        data=load.data,
        control=loaded.control,
        keep_rows=args.keep_rows,
        seed=args.seed,
        summary={"left_out": list(load.refused)} if load.refused else None,
        memory=budget(args),
        together=args.together,
        progress=args.progress,
    )
    _check_finite(made)
    return made


def make_gradients(args, loaded: LoadedModel, captures: Sequence[Run], pairs: Sequence[tuple]) -> None:
    """Gradients for each capture, if a method of (method, spec) pairs needs them; from the cache if they are there."""
    methods, store = [method for method, _ in pairs], RunStore(args.cache)
    if any(Need.GRADIENTS in method.needs for method in methods):
        own = {run.plan.data["fingerprint"]: run for run in captures if run.plan.data["id"] not in DATASETS}
        for name in dict.fromkeys([*(getattr(args, "calibrate_on", None) or ()), args.data]) if own else ():
            if name not in DATASETS and is_own(name):
                load = draw(args, loaded, name, args.samples, tell=False)
                if run := own.get(load.data["fingerprint"]):
                    store_gradients(loaded, run, load.samples, store=store, progress=args.progress)
    provide_gradients(loaded, captures, methods, store=store, progress=args.progress)


def _check(loaded: LoadedModel):
    """What refuses a user's sample that the model cannot take, before any is run."""

    def check(sample: Sample) -> None:
        if sample.roles and not getattr(loaded.encode, "several_turns", False):
            raise BatchError(
                f"sample {sample.id!r} is a talk of several turns, and this model takes one user turn and its answer: shorten it."
            )
        loaded.encode([sample])

    return check


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
