"""What capturing costs at the layer sizes of Qwen2.5-Omni-7B, beside what other calibrations record, in one run.

    PYTHONPATH=. python benchmarks/capture_cost_7b.py                       one block, 1024 tokens, float32 and bfloat16
    PYTHONPATH=. python benchmarks/capture_cost_7b.py --dtype bfloat16 --rounds 7

In every round each way of recording runs the same batch once, next to a bare forward of its own: before it in one round, after
it in the next. A ratio is that of such a pair. The first round warms up and is not counted. Printed: medians, the smallest and
largest ratio (for the bare forward, of one to their median: how restless the machine is), the median time inside the recording
itself, its share of the bare forward, and how many times that of reading each activation once. Ends with status 1 when the
median ratio of MorphoQuant's capture is above its bound (1.05 in float32, 1.35 in bfloat16).

When other work keeps the processors busy, ratios of whole forwards scatter more than they differ, and the column inside the
recording says more. OMP_WAIT_POLICY=PASSIVE keeps threads that wait from making that worse.
"""

import argparse
import statistics
import sys
import time
from typing import NamedTuple

import torch
from block_7b import batch, thinker
from capture_rivals import WATCHERS, Bare, Capture, Floor

HIDDEN, INTERMEDIATE = 3584, 18944
BOUNDS = {"float32": 1.05, "bfloat16": 1.35}


class Pass(NamedTuple):
    """Seconds of a bare forward, of the recording one beside it, and inside the recording."""

    bare: float
    taken: float
    inside: float


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    within = [_one_type(options, name) for name in options.dtype]
    return int(not all(within))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", nargs="+", choices=list(BOUNDS), default=list(BOUNDS), help="default: both")
    parser.add_argument("--blocks", type=int, default=1, help="decoder blocks (default: 1)")
    parser.add_argument("--tokens", type=int, default=1024, help="of a batch (default: 1024)")
    parser.add_argument("--sequences", type=int, default=2, help="of a batch (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, help="after the one that warms up (default: 5)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: torch's")
    parser.add_argument("--hidden", type=int, default=HIDDEN, help="hidden size, a multiple of 56 (default: 3584)")
    parser.add_argument("--intermediate", type=int, default=INTERMEDIATE, help="of the MLP (default: 18944)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and tokens (default: 0)")
    return parser.parse_args(arguments)


def _one_type(options: argparse.Namespace, name: str) -> bool:
    """Measures one data type and prints its table; whether the capture is within its bound."""
    torch.manual_seed(options.seed)
    model = thinker(options.blocks, options.hidden, options.intermediate, getattr(torch, name))
    inputs = batch(options.tokens, options.sequences)
    watchers = [watcher() for watcher in WATCHERS]
    passes = [_round(model, inputs, watchers, number) for number in range(options.rounds + 1)]
    sizes = (
        f"hidden {options.hidden}, intermediate {options.intermediate}, {options.tokens} tokens in {options.sequences} sequences"
    )
    print(f"{name}: {options.blocks} block(s), {sizes}, {options.threads} threads, {options.rounds} rounds")
    within = _report(watchers, passes[1:], BOUNDS[name])
    capture = next(watcher for watcher in watchers if type(watcher) is Capture)
    values, own = capture.values / len(passes), statistics.median(one[capture].inside for one in passes[1:])
    held = capture.collector.nbytes / 2**20
    print(f"the capture sees {values / 1e6:.2f} M values a forward, {own / values * 1e9:.2f} ns each, and holds {held:.0f} MiB\n")
    return within


def _round(model, inputs, watchers: list[Bare], number: int) -> dict[Bare, Pass]:
    """One pass with each watcher."""
    found = {}
    for watcher in watchers:
        bare = None if number % 2 else _seconds(Bare(), model, inputs)
        before = watcher.seconds
        taken = _seconds(watcher, model, inputs)
        inside = watcher.seconds - before
        found[watcher] = Pass(_seconds(Bare(), model, inputs) if bare is None else bare, taken, inside)
    return found


def _seconds(watcher: Bare, model, inputs) -> float:
    with watcher.open(model) as forward:
        start = time.perf_counter()
        forward(inputs)
        return time.perf_counter() - start


def _report(watchers: list[Bare], rounds: list[dict[Bare, Pass]], bound: float) -> bool:
    floor = next(watcher for watcher in watchers if type(watcher) is Floor)
    least = statistics.median(one[floor].inside for one in rounds)
    bare = [each.bare for one in rounds for each in one.values()]
    usual = statistics.median(bare)
    within = True
    print(f"{'':20} {'forward s':>9} {'ratio':>6} {'smallest':>8} {'largest':>8} {'inside s':>8} {'share':>6} {'of floor':>8}")
    print(f"{Bare.name:20} {usual:9.3f} {1:6.3f} {min(bare) / usual:8.3f} {max(bare) / usual:8.3f}")
    for watcher in watchers:
        passes = [one[watcher] for one in rounds]
        ratios = [one.taken / one.bare for one in passes]
        ratio, own = statistics.median(ratios), statistics.median(one.inside for one in passes)
        line = f"{watcher.name:20} {statistics.median(one.taken for one in passes):9.3f}"
        line += f" {ratio:6.3f} {min(ratios):8.3f} {max(ratios):8.3f} {own:8.4f} {own / usual:6.1%} {own / least:7.1f}x"
        if type(watcher) is Capture:
            within = ratio <= bound
            line += f"   at most {bound:.2f}: {'met' if within else 'NOT MET'}"
        print(line, flush=True)
    return within


if __name__ == "__main__":
    sys.exit(main())
