"""Peak memory of a capture with n and with ten times n samples: it must not grow with tokens.

    python benchmarks/capture_memory.py
    python benchmarks/capture_memory.py --samples 8 --bound 1.05

Each capture runs in its own process, so that its peak is its own. The model has the embedded one's shapes and random
weights. Ends with status 1 when the larger peak exceeds the smaller one by more than the bound.
"""

import argparse
import json
import resource
import subprocess
import sys


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4, help="n")
    parser.add_argument("--batch", type=int, default=4, help="samples a batch")
    parser.add_argument("--bound", type=float, default=1.05)
    parser.add_argument("--one", action="store_true", help="run one capture in this process and print its peak as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_capture(options.samples, options.batch)))
        return
    peaks = []
    for samples in (options.samples, 10 * options.samples):
        command = [sys.executable, __file__, "--one", "--samples", str(samples), "--batch", str(options.batch)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        peaks.append(found["peak"])
        held = f"{found['held'] / 2**20:.0f} MiB of it statistics"
        print(f"{samples:5d} samples, {found['tokens']:6d} tokens: peak {found['peak'] / 2**20:.0f} MiB, {held}", flush=True)
    ratio = peaks[1] / peaks[0]
    print(f"ratio {ratio:.3f}, allowed {options.bound}")
    sys.exit(int(ratio > options.bound))


def _capture(samples: int, batch: int) -> dict[str, int]:
    from stand_in import batches, model

    from morphoquant.hooks.collector import Collector
    from morphoquant.hooks.modality_hooks import ModalityHooks

    live, collector = model(), Collector()
    with ModalityHooks(live, collector) as hooks:
        for one in batches(live.config, samples, batch):
            hooks.run(one)
    collector.flush()
    tokens = sum(sum(counts.values()) for counts in hooks.tokens)
    unit = 1 if sys.platform == "darwin" else 1024
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "held": collector.nbytes, "tokens": tokens}


if __name__ == "__main__":
    main()
