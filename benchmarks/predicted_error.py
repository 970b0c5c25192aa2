"""Prediction from histograms against measurement: `python benchmarks/predicted_error.py`.

Captures the embedded model, then runs the same samples again and quantises every layer input directly, at every bit-width
from 2 to 8 and several clip ratios. Prints the largest difference in dB between the SQNR that the cached histograms predict
and the one measured, over all layers and modalities with at least 1,000 tokens. Exit code 1 if it is above 0.2 dB.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from morphoquant.core.modality import MODALITIES, POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.data.datasets import DATASETS
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.models.load import load
from morphoquant.quant.grid import symmetric_grid
from morphoquant.quant.threads import one_thread
from morphoquant.queries.predicted import BITS, predicted_sqnr
from morphoquant.runs.capture import capture

CLIPS = (1.0, 0.6)
MOST, TOKENS = 0.2, 1000


class Direct:
    """Observer that adds up signal and squared error by modality, on one symmetric grid a channel."""

    def __init__(self, absmax: dict[str, torch.Tensor]):
        self.grids = {
            group: {(bits, clip): symmetric_grid(reach * clip, bits) for bits in BITS for clip in CLIPS}
            for group, reach in absmax.items()
        }
        self.sums: dict[tuple, np.ndarray] = defaultdict(lambda: np.zeros(2))
        self.tokens: dict[tuple[str, str], int] = defaultdict(int)

    def on_input(self, group, module, x, slots, keys) -> None:
        """Quantises a layer input at every setting."""
        if group not in self.grids:
            return
        for index in slots[slots >= 0].div(len(POSITIONS), rounding_mode="floor").unique().tolist():
            modality = str(MODALITIES[index])
            rows = x[(slots >= 0) & (slots.div(len(POSITIONS), rounding_mode="floor") == index)]
            self.tokens[group, modality] += len(rows)
            signal = float(rows.double().square().sum())
            with one_thread():
                for setting, grid in self.grids[group].items():
                    error = float((grid.quantize(rows) - rows).square().sum(dtype=torch.float64))
                    self.sums[group, modality, *setting] += (signal, error)


def compare(cache: Path, samples: int, match: str) -> pd.DataFrame:
    """Predicted and measured SQNR of every layer, modality, bit-width and clip ratio."""
    loaded = load("demo", cache)
    batches = [loaded.encode([sample]) for sample in DATASETS["demo-calibration"](samples, 0)]
    with tempfile.TemporaryDirectory() as folder:
        run = capture(loaded.model, batches, store=folder, identity=loaded.identity, control=loaded.control, keep_rows=1)
        stats = run.frame("channel_stats", ["group", "channel", "min", "max"])
        stats["absmax"] = stats[["min", "max"]].abs().max(axis=1)
        absmax = {
            group: torch.tensor(rows.groupby("channel")["absmax"].max().to_numpy(), dtype=torch.float32)
            for group, rows in stats.groupby("group", sort=False)
            if fnmatch(group, match)
        }
        direct = Direct(absmax)
        with ModalityHooks(loaded.model, direct, loaded.control) as hooks:
            for done, batch in enumerate(batches, 1):
                hooks.run(batch)
                print(f"\rmeasuring {done} of {len(batches)}", end="", file=sys.stderr, flush=True)
        everywhere = Selection(positions=POSITIONS)
        predicted = pd.concat([predicted_sqnr(run, everywhere, group, BITS, CLIPS) for group in absmax])
    predicted["tokens"] = [direct.tokens[pair] for pair in zip(predicted["layer"], predicted["modality"], strict=True)]
    keys = zip(predicted["layer"], predicted["modality"], predicted["bits"], predicted["clip"], strict=True)
    sums = np.array([direct.sums[key] for key in keys])
    predicted["measured_db"] = 10 * np.log10(sums[:, 0] / sums[:, 1])
    predicted["difference_db"] = (predicted["sqnr_db"] - predicted["measured_db"]).abs()
    return predicted


def main() -> int:
    """Prints the worst differences by bit-width and the worst rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--samples", type=int, default=45)
    parser.add_argument("--match", default="*", help="pattern of the layer inputs to compare, such as '*q_proj' (default: all)")
    args = parser.parse_args()
    frame = compare(args.cache, args.samples, args.match)
    counted = frame[frame["tokens"] >= TOKENS]
    print(f"\n{counted['layer'].nunique()} layer inputs, {sorted(counted['modality'].unique())}, {len(counted)} settings")
    print(counted.pivot_table(index="bits", columns="clip", values="difference_db", aggfunc="max").round(3).to_string())
    worst = counted.nlargest(5, "difference_db")
    print(
        worst[["layer", "modality", "tokens", "bits", "clip", "sqnr_db", "measured_db", "difference_db"]].to_string(index=False)
    )
    print(f"largest difference: {counted['difference_db'].max():.3f} dB (allowed {MOST})")
    return int(counted["difference_db"].max() > MOST)


if __name__ == "__main__":
    sys.exit(main())
