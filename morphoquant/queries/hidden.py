"""Hidden states of a few tokens along the principal axes of full precision, in full precision and quantised."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import CompareError, StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.compare import run_labels
from morphoquant.queries.modalities import ordered
from morphoquant.queries.propagation import inspected, no_such
from morphoquant.store.run import Run

FULL = "full precision"
AXES = ("axis_1", "axis_2", "axis_3")
_SAME = 1e-3  # of the reach of the coordinates: fitted twice to equal states, axes differ by rounding alone


def hidden_states(runs: list[Run], selection: Selection) -> pd.DataFrame:
    """Where tokens stand, in full precision and in every run, along the same axes.

    Args:
        runs: inspect runs of one capture and data.
        selection: block (absent: the middle one of those kept) and modalities.

    Returns:
        label_run ("full precision", then the runs), block, modality, sample, token, axis_1 to axis_3 (coordinates; as many as
        there are), share_1 to share_3 (of the variance of full precision along each axis).

    Raises:
        StoreError: no inspect run, or no token is left of the selection.
        CompareError: runs of several captures or data, or whose full precision differs.
        UnknownNameError: no such block.
    """
    runs = inspected(runs)
    block = _block(runs[0], selection)
    parts, first = [], None
    for place, (run, label) in enumerate(zip(runs, run_labels(runs), strict=True), 1):
        frame = run.frame("hidden_states", where={"block": block})
        full, quantised = (np.stack(frame[name].to_list()) for name in ("full", "quantised"))
        if first is None:
            first = full
            parts.append(_placed(frame, full, FULL, 0))
        elif full.shape != first.shape or np.abs(full - first).max() > _SAME * np.abs(first).max():
            raise CompareError(
                f"full precision differs between {runs[0].run_id!r} and {run.run_id!r}: show one of them, or make both again."
            )
        parts.append(_placed(frame, quantised, label, place))
    found = pd.concat(parts, ignore_index=True).assign(block=block)
    if selection.modalities:
        found = found[found["modality"].isin([str(one) for one in selection.modalities])]
    shares = runs[0].frame("hidden_axes", where={"block": block}).sort_values("axis")["share"]
    for axis, share in enumerate(shares, 1):
        found[f"share_{axis}"] = share
    columns = ["label_run", "block", "modality", "sample", "token"]
    numbers = [f"{name}_{axis}" for name in ("axis", "share") for axis in range(1, len(shares) + 1)]
    return ordered(found, selection, "place")[[*columns, *numbers]]


def kept_blocks(run: Run) -> list[int]:
    """Blocks of the language model whose hidden states are kept.

    Raises:
        StoreError: no inspect run, or its hidden states do not vary.
    """
    (run,) = inspected([run])
    if not run.has("hidden_states"):
        raise StoreError(f"run {run.run_id!r} holds no hidden states: they were all the same.")
    return sorted(run.frame("hidden_axes", ["block"])["block"].unique().tolist())


def _block(run: Run, selection: Selection) -> int:
    blocks = kept_blocks(run)
    if selection.block is None:
        return blocks[len(blocks) // 2]
    if selection.block not in blocks:
        raise no_such("block", selection.block, blocks)
    return selection.block


def _placed(frame: pd.DataFrame, coordinates: np.ndarray, label: str, place: int) -> pd.DataFrame:
    axes = dict(zip(AXES, coordinates.T, strict=False))
    return frame[["modality", "sample", "token"]].assign(label_run=label, place=place, **axes)
