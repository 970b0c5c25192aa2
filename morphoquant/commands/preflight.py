"""The preflight of the engine verbs: told alone with --preflight, else by itself before the weights are loaded."""

import sys

import torch

from morphoquant.commands import workload
from morphoquant.core.modality import Modality
from morphoquant.models.load import DEMO, LoadedModel, load
from morphoquant.runs.preflight import Data, in_units, preflight
from morphoquant.runs.scope import parts_of
from morphoquant.store.run_store import Run


def load_checked(args, pairs=(), captured: Run | None = None) -> LoadedModel | None:
    """The model of the words, loaded after the preflight; absent where the preflight alone was wanted, which is printed.

    Args:
        args: the words of a capture, and with `pairs` those of quantize.
        pairs: methods and specs that will be fitted.
        captured: the capture run that they are fitted to; absent, one is made.

    Raises:
        ModelError: weights are missing or pickled, or memory or disk are too small.
        SpecError: a group size does not divide the inputs of a layer.
    """
    if captured is not None:
        args.model, args.revision = captured.plan.model["id"], captured.plan.model["revision"]
    if args.preflight is False:
        return _real(args, captured)
    bare = _real(args, captured) if args.model == DEMO else _shapes(args)
    found = preflight(
        bare.model,
        bare.modalities,
        _data(args, bare, captured),
        args.cache,
        keep_rows=args.keep_rows if captured is None else None,
        specs=[spec for _, spec in pairs if spec.quantises_weights],
        scope=parts_of(args.scope) if pairs else (),
        device_memory=torch.cuda.mem_get_info(args.device)[0] if args.device.startswith("cuda") else None,
    )
    if args.preflight:
        print("\n".join(found.lines()))
        if found.problems:
            raise found.problems[0]
        return None
    for sentence in found.warnings:
        print(f"warning: {sentence}", file=sys.stderr)
    _refuse(found)
    memory, disk = (f"{in_units(a)} of {in_units(b)}" for a, b in ((found.needed, found.memory), (found.disk, found.disk_free)))
    args.progress(f"preflight: memory at most {memory}, disk at most {disk}", 1, 1)
    return bare if args.model == DEMO else _real(args, captured)


def _real(args, captured: Run | None) -> LoadedModel:
    return workload.load_model(args) if captured is None else workload.load_model_of(args, captured)


def _shapes(args) -> LoadedModel:
    trust = args.trust_remote_code
    return load(args.model, args.cache, revision=args.revision, trust_remote_code=trust, weights=False, progress=args.progress)


def _refuse(found) -> None:
    if found.problems:
        first, *others = found.problems
        for one in others:
            print(f"problem: {one}", file=sys.stderr)
        raise first


def _data(args, bare: LoadedModel, captured: Run | None) -> Data:
    """What the calibration data hold, or where a capture is there what it and the evaluation data hold."""
    name, count = (args.data, args.samples) if captured is None else (args.eval_data, args.eval_samples)
    drawn = workload.draw(args, bare, name, count)
    args.drawn = {(name, count): drawn}
    present: set[Modality] = set()
    largest: dict[Modality, tuple[int, int]] = {}
    for place, sample in enumerate(drawn.samples):
        present |= sample.modalities & bare.modalities
        for modality in sample.modalities:
            size = sum(
                len(part.value) if isinstance(part.value, str) else part.value.size
                for part in sample.parts
                if part.modality is modality
            )
            largest[modality] = max(largest.get(modality, (0, 0)), (size, place))
    if captured is not None:
        present = {Modality(name) for name in captured.frame("tokens", ["modality"])["modality"].unique()} & bare.modalities
    tokens = 0
    # The longest sequence is as a rule that with the most of one modality: a few samples are encoded, not all.
    for place in {place for _, place in largest.values()}:
        (batch,) = drawn[place : place + 1]
        tokens = max(tokens, batch["input_ids"].shape[1])
    return Data(str(drawn.data["id"]), len(drawn), frozenset(present), tokens)
