"""How fast the What if page answers: `python benchmarks/what_if.py --cache cache`.

Reads the histograms of a capture once, as the page keeps them, then changes settings and times what a change costs: the widest
layer with its three figures, and every layer. Prints the reading too. Exit code 1 if a change takes longer than allowed: 150 ms
for a layer, 2 s for the whole model. A capture of the embedded model that was made here keeps all histograms; the stored one
keeps those of eight layers.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from morphoquant.core.selection import Selection
from morphoquant.core.what_if import WhatIf
from morphoquant.queries.what_if import layer_sums, predict
from morphoquant.queries.what_if_frames import grid_frame, mask_frame, model_frame, split_frame
from morphoquant.queries.what_if_inputs import WhatIfInputs, layer_inputs, model_inputs
from morphoquant.store.run_store import Run, RunStore
from morphoquant.views.base import VIEWS

LAYER_SECONDS, MODEL_SECONDS = 0.150, 2.0
# The best of so many is told: what else the machine does can only add to it.
ROUNDS = 3
SETTINGS = (
    WhatIf(),
    WhatIf(bits=8, clip=0.7),
    WhatIf(bypass=True, sigma=1.5, lam=0.6),
    WhatIf(search=True, p=2.0),
    WhatIf(search=True, bypass=True),
    WhatIf(search=True, bypass=True, p=2.5, cos=0.75),
)
ANYTHING = Selection()


def layer_answer(inputs: WhatIfInputs, settings: WhatIf) -> None:
    """Prediction, frames and figures of one layer, as the page makes them."""
    prediction = predict(inputs, settings)
    frames = {
        "what_if_grid": grid_frame(prediction, ANYTHING),
        "what_if_mask": mask_frame(prediction),
        "what_if_split": split_frame(layer_sums(prediction, ANYTHING), ANYTHING),
    }
    for name, frame in frames.items():
        VIEWS[name].draw(frame, ANYTHING).to_json()


def model_answer(inputs: WhatIfInputs, settings: WhatIf) -> None:
    """The same of every layer."""
    frame = model_frame(predict(inputs, settings), ANYTHING, "sqnr_db")
    VIEWS["what_if_error"].draw(frame, ANYTHING).to_json()


def timed(what: Callable[[], object]) -> tuple[float, object]:
    """Seconds, and what came of it."""
    started = time.perf_counter()
    found = what()
    return time.perf_counter() - started, found


def largest_capture(store: RunStore) -> Run:
    """The finished capture with most histograms."""
    found = [e for e in store.entries() if e.header and e.header.plan.kind == "capture" and "histograms" in e.header.tables]
    if not found:
        sys.exit("there is no capture with histograms in this cache: make one with: python -m morphoquant demo --no-dashboard.")
    return store.open(max(found, key=lambda entry: entry.header.tables["histograms"]).run_id)


def changes(answer: Callable, inputs: WhatIfInputs, rounds: int = ROUNDS) -> list[float]:
    """Seconds that each setting takes. First uses, which compile and import, do not count."""
    for settings in (SETTINGS[0], SETTINGS[-1]):
        answer(inputs, settings)
    return [min(timed(partial(answer, inputs, settings))[0] for _ in range(rounds)) for settings in SETTINGS]


def report(words: str, answer: Callable, inputs: WhatIfInputs, allowed: float) -> bool:
    """Prints the seconds of each setting; whether all keep to `allowed`."""
    seconds = changes(answer, inputs)
    for settings, taken in zip(SETTINGS, seconds, strict=True):
        told = ", ".join(f"{name}={value}" for name, value in settings.written().items()) or "plain rounding at 4 bits"
        print(f"  {1000 * taken:7.0f} ms  {told}")
    print(f"{words}: at most {1000 * max(seconds):.0f} ms a change (allowed {1000 * allowed:.0f} ms)")
    return max(seconds) <= allowed


def main(arguments: list[str] | None = None) -> int:
    """Times one layer, then every layer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--run", help="capture run (default: the one with most histograms)")
    args = parser.parse_args(arguments)
    store = RunStore(args.cache)
    run = store.open(args.run) if args.run else largest_capture(store)
    taken, model = timed(lambda: model_inputs(run, ANYTHING))
    rows, bins = sum(len(part.rows.channel) for part in model.parts), sum(len(part.rows.bins) for part in model.parts)
    print(f"{run.run_id}: {len(model.layers)} layer inputs, {rows:,} histograms, {bins:,} joined bins, read in {taken:.1f} s")
    everything = report("the whole model", model_answer, model, MODEL_SECONDS)
    widest = str(model.layers.loc[model.layers["in_features"].idxmax(), "layer"])
    del model
    taken, layer = timed(lambda: layer_inputs(run, widest))
    print(f"{widest}: {int(layer.layers['in_features'].iat[0])} channels, read in {taken:.2f} s")
    return int(not (report("a layer", layer_answer, layer, LAYER_SECONDS) and everything))


if __name__ == "__main__":
    sys.exit(main())
