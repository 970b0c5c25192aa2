"""The preflight of the engine verbs: told alone with --preflight, else by itself before the weights are loaded."""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
import torch

from morphoquant.commands import asking, workload
from morphoquant.core.errors import BatchError, MorphoQuantError, SpecError
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.data.passages import perplexity_texts
from morphoquant.data.sample import Sample
from morphoquant.methods.base import Need
from morphoquant.methods.parts import Part, parts_found
from morphoquant.models.load import DEMO, DTYPES, LoadedModel, load
from morphoquant.runs.comparison import together
from morphoquant.runs.keeping import LIMIT
from morphoquant.runs.passages import LONGEST
from morphoquant.runs.predicted_sizes import cache_bytes, in_units, inside_bytes
from morphoquant.runs.preflight import Data, Preflight, preflight
from morphoquant.runs.scope import parts_of
from morphoquant.store.run_store import Run

_KEYS = "keys and values"


@dataclass(frozen=True)
class Job:
    """What a verb is about to do with a model.

    Attributes:
        pairs: methods and specs that will be fitted.
        captured: the capture run that they are fitted to; absent, one is made of each of `sets`.
        sets: names of calibration data; absent: that of the words.
        measured: (name, samples) of held-out data that are run.
        asks: whether the words' questions are asked.
        reads_on: whether their choices are read on from the keys and values of the prompt.
        scope: parts that are quantised, by name; absent: those of the words.
        shown: blocks whose attention is kept, for the verb that looks inside.
        apart: pairs are fitted as many at once as the memory holds, and one that cannot be leaves the others whole.
    """

    pairs: Sequence[tuple] = ()
    captured: Run | None = None
    sets: Sequence[str] | None = None
    measured: Sequence[tuple[str, int]] = ()
    asks: bool = False
    reads_on: bool = False
    scope: Sequence[str] | None = None
    shown: int | None = None
    apart: bool = False


def load_checked(args, job: Job) -> LoadedModel | None:
    """The model of the words, loaded after the preflight; absent where the preflight alone was wanted, which is printed.

    What it draws is not drawn again: `args` keeps it, and what the outputs that a verb keeps may take (`args.keep_bytes`).

    Args:
        args: the words of the verb.
        job: what they ask for.

    Raises:
        ModelError: weights are missing or pickled, or memory or disk are too small.
        SpecError: a group size does not divide the inputs of a layer.
    """
    args.keep_bytes = LIMIT
    if job.captured is not None:
        args.model, args.revision = job.captured.plan.model["id"], job.captured.plan.model["revision"]
    if args.preflight is False:
        return _real(args, job)
    bare = _real(args, job) if args.model == DEMO else _shapes(args)
    found = _checked(args, job, bare)
    args.keep_bytes = min(LIMIT, found.spare // 2)
    if args.preflight:
        print("\n".join(found.lines()))
        if fatal := _fatal(found, job):
            raise fatal[0]
        return None
    for sentence in found.warnings:
        print(f"warning: {sentence}", file=sys.stderr)
    fatal = _fatal(found, job)
    for one in found.problems:
        if one not in fatal[:1]:
            print(f"problem: {one}", file=sys.stderr)
    if fatal:
        raise fatal[0]
    memory = f"{in_units(found.needed)} of {in_units(found.memory)}"
    args.progress(f"preflight: memory at most {memory}, disk at most {in_units(found.disk)}{found.of_disk}", 1, 1)
    return bare if args.model == DEMO else _real(args, job)


def _checked(args, job: Job, bare: LoadedModel) -> Preflight:
    sets = [args.data] if job.sets is None else job.sets
    captures = 0 if job.captured is not None else len(sets)
    data, rows = _data(args, job, bare, sets if captures else ()), getattr(args, "batch", asking.BATCH)
    beside = {}
    if job.reads_on:
        # Those of the prompts, once more while choices follow them, and of every choice.
        beside[_KEYS] = cache_bytes(bare.model.config, data.asked, rows * (2 + _most_choices(args)))
    if job.shown is not None:
        beside["states, attention"] = inside_bytes(bare.model.config, data.tokens, job.shown)
    return preflight(
        bare.model,
        bare.modalities,
        data,
        args.cache,
        keep_rows=args.keep_rows if captures else None,
        captures=captures,
        specs=_weights(job.pairs, max(captures, 1)),
        at_once=together(bare.model) if job.apart else None,
        scope=parts_of(args.scope if job.scope is None else job.scope) if job.pairs else (),
        rows=rows,
        beside=beside,
        # Processes of one machine each hold the model.
        memory=psutil.virtual_memory().available // args.beside if args.together else None,
        device_memory=torch.cuda.mem_get_info(args.device)[0] if args.device.startswith("cuda") else None,
        budget=workload.budget(args),
        methods=[method for method, _ in job.pairs] if hasattr(args, "memory") else None,
        weight_bytes=4 if workload.dtype(args, job.captured) == DTYPES[0] else 2,
    )


def _weights(pairs: Iterable[tuple], captures: int) -> list[QuantSpec]:
    """A spec for each set of quantised weights: methods that round them to nearest share one, whatever they are fitted to."""
    shared, own = {}, []
    for method, spec in pairs:
        if spec.quantises_weights and parts_found(method) & {Part.TRANSFORM, Part.WEIGHTS}:
            own += [spec] * captures
        elif spec.quantises_weights:
            shared[spec.w_bits, spec.w_group, spec.w_format] = spec
    return [*shared.values(), *own]


def _real(args, job: Job) -> LoadedModel:
    return workload.load_model(args) if job.captured is None else workload.load_model_of(args, job.captured)


def _shapes(args) -> LoadedModel:
    trust = args.trust_remote_code
    return load(args.model, args.cache, revision=args.revision, trust_remote_code=trust, weights=False, progress=args.progress)


def _fatal(found: Preflight, job: Job) -> list[MorphoQuantError]:
    """The problems that stop the work: of methods that leave each other whole, a spec stops its own alone."""
    return [one for one in found.problems if not (job.apart and isinstance(one, SpecError))]


def _data(args, job: Job, bare: LoadedModel, sets: Sequence[str]) -> Data:
    """What the samples and questions of a job hold; they are drawn once."""
    wanted = [(name, args.samples) for name in sets]
    drawn = args.drawn = {one: workload.draw(args, bare, *one) for one in dict.fromkeys([*wanted, *job.measured])}
    calibration = [drawn[one] for one in wanted]
    present: set[Modality] = set()
    tokens, asked = 0, 0
    for key, one in drawn.items():
        held, longest = _seen(one.samples, lambda place, one=one: next(iter(one[place : place + 1])))
        present |= held if key in wanted or not wanted else set()
        tokens = max(tokens, longest)
    if job.asks:
        args.asked = asking.make_items(args, bare)
        questions = [item.sample for item in args.asked.items if item.sample.modalities <= bare.modalities]
        held, asked = _seen(questions, lambda place: bare.encode([questions[place]], answers=False))
        present |= set() if wanted else held
    if job.reads_on:
        tokens = max(tokens, *(len(bare.answering.passage(text)[:LONGEST]) for _, text in perplexity_texts()))
    if job.captured is not None:
        seen = job.captured.frame("tokens", ["sample", "modality", "count"])
        present = {Modality(name) for name in seen["modality"].unique()}
        if any({Need.BLOCKS, Need.GRADIENTS} & method.needs for method, _ in job.pairs):
            tokens = max(tokens, int(seen.groupby("sample")["count"].sum().max()))  # its samples are run again
    name = " and ".join(dict.fromkeys(str(one.data["id"]) for one in calibration))
    count = max((len(one) for one in calibration), default=0)
    return Data(name, count, frozenset(present & bare.modalities), tokens, asked)


def _seen(samples: Iterable[Sample], encode: Callable[[int], dict]) -> tuple[set[Modality], int]:
    """The modalities of samples, and the tokens of the longest: as a rule one with the most of one modality, so that a few are
    encoded, not all."""
    present: set[Modality] = set()
    largest: dict[Modality, tuple[int, int]] = {}
    for place, sample in enumerate(samples):
        present |= sample.modalities
        for modality in sample.modalities:
            values = [part.value for part in sample.parts if part.modality is modality]
            size = sum(len(value) if isinstance(value, str) else value.size for value in values)
            largest[modality] = max(largest.get(modality, (0, 0)), (size, place))
    longest = 0
    for place in {place for _, place in largest.values()}:
        with suppress(BatchError):  # told, with its reason, where it is run
            longest = max(longest, encode(place)["input_ids"].shape[1])
    return present, longest


def _most_choices(args) -> int:
    return max((len(item.choices) for item in args.asked.items), default=0)
