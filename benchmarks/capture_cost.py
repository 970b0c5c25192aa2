"""What capturing costs: time of a forward that captures over a bare forward of the same batches.

    python benchmarks/capture_cost.py                            the embedded model on its calibration data
    python benchmarks/capture_cost.py --stand-in                 random weights of the same shapes, nothing to download
    python benchmarks/capture_cost.py --threads 1 --cpu-time     on a machine that is busy with other work

All rows of all channels go into counts, extremes, moments, histograms and the sample of rows. Bare and capturing passes
alternate, so that both see the same machine; the first pair warms up and is not counted. Prints the median of the ratios
with the smallest and largest, and how much of the extra time is spent in the statistics.

What bounds it: memory, not arithmetic. With everything in the first-level cache the kernel takes 1.4 ns a value and core;
in a forward it takes about 3. Switching its parts off one by one showed where (113 M values of the stand-in, one core):
reading the input 0.10 s, counting into histograms 0.13 s (two bytes a bin, yet a batch with five slots touches more lines of
counters than it has lines of input), power sums 0.04 s, extremes and merging moments 0.09 s. Larger batches are cheaper a
value, so few rows wait for more of their input (`hooks/collector.py`): 1.9 ns a value for 2.6 without. The remaining
extra is the copy of rows that wait, the sample of rows, and Python around some 240 inputs a forward.

When other work keeps the processors busy, threads that wait by spinning make both sides many times slower: set
OMP_WAIT_POLICY=PASSIVE, or measure processor time of one thread.
"""

import argparse
import statistics
import time
from pathlib import Path

import stand_in
import torch

from morphoquant.hooks.collector import Collector
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.models.load import load


class Timed(Collector):
    """A Collector that adds up the time spent in it and the values it was given."""

    def __init__(self, keep_rows: int, clock):
        super().__init__(keep_rows)
        self.clock = clock
        self.passes: list[float] = []
        self.reset()

    def reset(self) -> None:
        """Starts a pass."""
        self.seconds, self.values, self.inputs = 0.0, 0, 0

    def on_input(self, group, module, x, slots, keys) -> None:
        """As in Collector."""
        start = self.clock()
        super().on_input(group, module, x, slots, keys)
        self.seconds += self.clock() - start
        self.values += x.numel()
        self.inputs += 1

    def flush(self) -> None:
        """As in Collector."""
        start = self.clock()
        super().flush()
        self.seconds += self.clock() - start


def main() -> None:
    """Command line."""
    options = _options()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    model, batches, control = _prepare(options)
    collector = Timed(options.keep_rows, clock)
    pairs = []
    for number in range(options.pairs + 1):
        collector.reset()
        bare = _bare(model, batches, clock) if number % 2 else None
        capturing = _capturing(model, batches, control, collector)
        pairs.append((bare or _bare(model, batches, clock), capturing))
        collector.passes.append(collector.seconds)
    _report(options, batches, pairs[1:], collector)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stand-in", action="store_true", help="random weights instead of the embedded model")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder of the embedded model")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--batch", type=int, default=8, help="samples a batch (default: 8)")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep-rows", type=int, default=64)
    parser.add_argument("--cpu-time", action="store_true", help="processor time instead of wall time; use with --threads 1")
    return parser.parse_args()


def _prepare(options):
    if options.stand_in:
        model = stand_in.model()
        return model, list(stand_in.batches(model.config, options.samples, options.batch)), None
    from morphoquant.data.datasets import DATASETS

    loaded = load("demo", options.cache)
    samples = DATASETS["demo-calibration"](options.samples, 0)
    batches = [loaded.encode(samples[i : i + options.batch]) for i in range(0, len(samples), options.batch)]
    return loaded.model, batches, loaded.control


def _bare(model, batches, clock) -> float:
    start = clock()
    with torch.no_grad():
        for batch in batches:
            model(**batch)
    return clock() - start


def _capturing(model, batches, control, collector) -> float:
    with ModalityHooks(model, collector, control) as hooks:
        start = collector.clock()
        for batch in batches:
            hooks.run(batch)
        collector.flush()
        return collector.clock() - start


def _report(options, batches, pairs, collector) -> None:
    tokens = sum(int(batch["attention_mask"].sum()) for batch in batches)
    what = "processor time" if options.cpu_time else "wall time"
    ratios = [capturing / bare for bare, capturing in pairs]
    spent = statistics.median(collector.passes[1:])
    print(f"{options.samples} samples, {tokens} tokens, {len(batches)} batches, {options.threads} threads, float32, {what}")
    print(f"bare forward       median {statistics.median(bare for bare, _ in pairs):.3f} s")
    print(f"capturing forward  median {statistics.median(capturing for _, capturing in pairs):.3f} s")
    print(
        f"ratio              median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}, {len(pairs)} pairs"
    )
    print(f"in the statistics  median {spent:.3f} s: {collector.values / 1e6:.0f} M values of {collector.inputs} inputs,")
    print(f"                   {spent / collector.values * 1e9:.2f} ns a value; they hold {collector.nbytes / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
