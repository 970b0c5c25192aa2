"""Trains the connectors: `python -m morphoquant.models.embedded.train --device cuda`.

Language model and encoders stay as they are. Features of the encoders are computed once; then the connectors learn to answer
closed-set questions: first to small readers (`reading`), then to the language model, with a loss on the answer only. Every random
choice follows from the seed and the step, so an interrupted training goes on where its last checkpoint was, with the same items.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from morphoquant.models.embedded.card import write_card
from morphoquant.models.embedded.checkpoint import resume, save
from morphoquant.models.embedded.compose import Composer
from morphoquant.models.embedded.evaluate import evaluate
from morphoquant.models.embedded.features import Features, Spread, features_of
from morphoquant.models.embedded.folder import demo_folder, prepare
from morphoquant.models.embedded.gradient import Gradient
from morphoquant.models.embedded.modeling import OmniDemoForConditionalGeneration
from morphoquant.models.embedded.processor import OmniDemoProcessor
from morphoquant.models.embedded.reading import learn_to_read
from morphoquant.models.embedded.recipe import Recipe
from morphoquant.models.embedded.tasks import POOLS, RECORDED, TASKS
from morphoquant.models.embedded.weights import CONNECTOR_PARTS, CONNECTORS, build_model, save_connectors

_LOG = "training.jsonl"


def _summaries(log: Path) -> list[dict]:
    """What earlier trainings came to, the oldest first."""
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if "recipe" in line]


def train(
    recipe: Recipe,
    folder: Path,
    work: Path,
    out: Path,
    *,
    device: str,
    workers: int,
    minutes: float,
    checkpoint_every: int = 200,
    on_step: Callable[[int], None] = lambda step: None,
    start: Path | None = None,
) -> dict:
    """Trains, evaluates and writes connectors.safetensors, training.jsonl and README.md to `out`; returns the accuracies.

    Args:
        recipe: what to do.
        folder: the converted model.
        work: where features and the checkpoint are kept until the training is over.
        out: where the results go.
        device: "cpu" or "cuda".
        workers: processes that draw media.
        minutes: of optimisation at most; where they are fewer than the steps need, the learning rate falls with the time.
        checkpoint_every: steps between two checkpoints.
        on_step: told each step before it is made.
        start: folder of an earlier training to go on from; connectors that no task reaches stay as they were. Absent: from
            seeded random weights.
    """
    torch.set_float32_matmul_precision("high")
    work.mkdir(parents=True, exist_ok=True)
    model = build_model(folder, connectors=start and start / CONNECTORS.name).to(device)
    earlier = [] if start is None else _summaries(start / _LOG)
    model.requires_grad_(False)
    processor = OmniDemoProcessor.from_folder(folder)
    with _spread(workers) as spread:
        held_out = _features(model.model, "evaluation", recipe, work, spread)
        people = None
        if "audio" in recipe.asked:
            count = recipe.held_out
            people = features_of(model.model, "audio", RECORDED, count, recipe.seed, work / "features", spread=spread)
        if recipe.half:
            _halve(model)
        features = _features(model.model, "train", recipe, work, spread)
    log = work / _LOG
    started = time.monotonic()
    composer, unseen = Composer(model, processor, features, recipe.noise), Composer(model, processor, held_out)
    done = _optimise(composer, unseen, recipe, work, log, 60 * minutes, checkpoint_every, on_step)
    spent = time.monotonic() - started
    save_connectors(model, work / CONNECTORS.name)
    # The shipped file, in 16 bits, beside frozen parts in 32 bits: that is what is measured.
    model = build_model(folder, connectors=work / CONNECTORS.name).to(device)
    results = evaluate(Composer(model, processor, held_out), recipe.seed, list(recipe.asked))
    if people is not None:
        heard = evaluate(Composer(model, processor, {"audio": people}), recipe.seed, ["audio"])
        results["audio, a person's voice"] = heard["audio"]
    readers = [json.loads(line).get("held_out") for line in log.read_text(encoding="utf-8").splitlines()]
    summary = {
        "recipe": asdict(recipe),
        "shares": {name: task.weight for name, task in recipe.asked.items()},
        "device": device,
        "steps": done,
        "seconds": round(spent),
        "accuracy": results,
        "readers": next((found for found in reversed(readers) if found), {}),
    }
    _say(log, summary)
    before = b"" if start is None else (start / _LOG).read_bytes()
    out.mkdir(parents=True, exist_ok=True)
    (work / CONNECTORS.name).replace(out / CONNECTORS.name)
    (out / log.name).write_bytes(before + log.read_bytes())
    write_card(out / "README.md", [*earlier, summary])
    return results


def _halve(model: OmniDemoForConditionalGeneration) -> None:
    """Frozen parts in bfloat16, connectors as they are. Eager attention, because the fused one is slow backwards on CPUs."""
    for name, weight in model.named_parameters():
        if not name.startswith(CONNECTOR_PARTS):
            weight.data = weight.data.bfloat16()
    if model.device.type == "cpu":
        model.model.language_model.set_attn_implementation("eager")


@contextmanager
def _spread(workers: int) -> Iterator[Spread]:
    """`map`, or that of so many processes. They are spawned: a process that has started CUDA must not be forked."""
    if not workers:
        yield map
        return
    with get_context("spawn").Pool(workers) as processes:
        yield partial(processes.imap, chunksize=32)


def _features(model, split: str, recipe: Recipe, work: Path, spread: Spread) -> dict[str, Features]:
    used = {pool: POOLS[pool] for pool in POOLS if any(pool in task.pools for task in recipe.asked.values())}
    shares = sum(pool.share for pool in used.values())
    counts = {
        name: round(pool.share / shares * recipe.items) if split == "train" else recipe.held_out for name, pool in used.items()
    }
    return {
        name: features_of(model, name, split, count, recipe.seed, work / "features", spread=spread, progress=_show)
        for name, count in counts.items()
    }


def _optimise(
    composer: Composer, unseen: Composer, recipe: Recipe, work: Path, log: Path, seconds: float, every: int, on_step
) -> int:
    weights = {n: p for n, p in composer.model.named_parameters() if n.startswith(CONNECTOR_PARTS)}
    for weight in weights.values():
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(weights.values(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=recipe.decay)
    name = json.dumps(asdict(recipe), sort_keys=True)
    first = resume(weights, optimiser, work, name)
    if first is None:
        log.unlink(missing_ok=True)
        _first_stage(composer, unseen, weights, recipe, log)
        first = 0
        save(weights, optimiser, work, first, name)
    names, shares = list(recipe.asked), np.array([task.weight for task in recipe.asked.values()])
    answers = {name: features.answers for name, features in composer.features.items()}
    started = time.monotonic()
    learn = Gradient(composer, weights)
    step = first
    for step in range(first, recipe.steps):
        part = max(step / recipe.steps, (time.monotonic() - started) / seconds)
        if part >= 1:
            print(f"out of time at step {step} of {recipe.steps}", flush=True)
            break
        on_step(step)
        rng = np.random.default_rng([recipe.seed, 1, step])
        turns = [TASKS[names[at]].make(rng, answers) for at in rng.choice(len(names), recipe.batch, p=shares / shares.sum())]
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _pace(part, recipe.warmup)
        loss, right = learn(turns, recipe.seed * 1_000_003 + step)
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimiser.step()
        if step % 20 == 0 or step == recipe.steps - 1:
            _say(log, {"step": step, "loss": round(loss, 4), "tokens_right": round(right, 4)})
        if (step + 1) % every == 0:
            save(weights, optimiser, work, step + 1, name)
    else:
        step = recipe.steps
    save(weights, optimiser, work, step, name)
    for weight in weights.values():
        weight.requires_grad_(False)
    return step


def _first_stage(composer: Composer, unseen: Composer, weights: dict, recipe: Recipe, log: Path) -> None:
    if recipe.reading:
        learn_to_read(
            composer,
            unseen,
            weights,
            steps=recipe.reading,
            batch=2 * recipe.batch,
            rate=recipe.rate,
            decay=recipe.decay,
            seed=recipe.seed,
            say=partial(_say, log),
        )


def _pace(part: float, warmup: float) -> float:
    if part < warmup:
        return (part + 1e-3) / warmup
    return 0.5 * (1 + math.cos(math.pi * (part - warmup) / (1 - warmup)))


def _say(log: Path, line: dict) -> None:
    text = json.dumps(line)
    print(text, flush=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def _show(stage: str, done: int, total: int) -> None:
    if done in (0, total):
        print(f"{stage}: {done} of {total}", flush=True)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m morphoquant.models.embedded.train", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, default=Path("cache"), help="cache folder; the model is made in it if it is not there"
    )
    parser.add_argument("--folder", type=Path, help="converted model, used as it is (default: that of the cache, checked)")
    parser.add_argument("--work", type=Path, help="features and checkpoint (default: <cache>/training)")
    parser.add_argument("--out", type=Path, default=CONNECTORS.parent, help="where the results go (default: the package)")
    parser.add_argument("--start", type=Path, help="folder of an earlier training to go on from (default: from random weights)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw media")
    parser.add_argument("--minutes", type=float, default=1e9, help="of optimisation at most")
    for name, value in asdict(Recipe()).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=value)
        else:
            parser.add_argument(option, type=type(value), default=value, help=f"default {value}")
    given = vars(parser.parse_args())
    recipe = Recipe(**{name: given[name] for name in asdict(Recipe())})
    folder = given["folder"] or (prepare(given["cache"], progress=_show) and demo_folder(given["cache"]))
    work = given["work"] or given["cache"] / "training"
    train(
        recipe,
        folder,
        work,
        given["out"],
        device=given["device"],
        workers=given["workers"],
        minutes=given["minutes"],
        start=given["start"],
    )


if __name__ == "__main__":
    main()
