"""Magnitudes of a layer's input by token and channel, before and after quantisation, and of the error between.

Source: the views of SmoothQuant (arXiv 2211.10438, figure 4: few channels are large in all tokens) and of "Massive Activations in
Large Language Models" (arXiv 2402.17762, figure 1: few values of the first token are larger than all others).
"""

import numpy as np
import pandas as pd

from morphoquant.core.errors import UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.shown_tokens import shown_tokens
from morphoquant.queries.stored_grids import quantised_rows
from morphoquant.store.run import Run

STAGES = ("before", "after", "error")
MOST_TOKENS, MOST_CHANNELS = 110, 192


def token_channel(
    capture: Run, run: Run | None, selection: Selection, layer: str, stages: tuple[str, ...] = ("before",)
) -> pd.DataFrame:
    """Cells of the token x channel view.

    Neighbouring tokens of one modality and position class, and neighbouring channels, join into a cell that holds the largest
    magnitude among them, so that no outlier is lost; values that are not finite are left out.

    Args:
        capture: the run that keeps the tokens.
        run: a quantize run fitted to it, absent if only "before" is asked for.
        selection: its modalities and positions.
        layer: any linear; its input is shown.
        stages: of "before" (|x|), "after" (|x_q|) and "error" (|x - x_q|).

    Returns:
        layer, stage, modality, position, row (of cells, from 0), tokens (joined in the row), first_channel, channels (joined),
        value (null where no value is finite). `attrs["tap"]` says in sentences what was taken where.

    Raises:
        StoreError: the capture keeps no such tokens, or `run` no grid for them.
        UnknownNameError: no such layer or stage.
    """
    for stage in stages:
        if stage not in STAGES:
            raise UnknownNameError("stage", stage, STAGES)
    kept = shown_tokens(capture, selection, layer)
    after = quantised_rows(run, layer, kept.x) if set(stages) != {"before"} else kept.x
    rows, bands = _rows(kept.bands)
    step = -(-kept.x.shape[1] // MOST_CHANNELS)
    first = np.arange(0, kept.x.shape[1], step)
    width = np.diff([*first, kept.x.shape[1]])
    parts = []
    for stage in stages:
        with np.errstate(invalid="ignore"):
            values = {"before": kept.x, "after": after, "error": after - kept.x}[stage]
        cells = _largest(_largest(np.abs(values), rows, 0), first, 1)
        parts.append(
            pd.DataFrame(
                {
                    "stage": stage,
                    **{name: np.repeat(bands[name].to_numpy(), len(first)) for name in ("modality", "position")},
                    "row": np.repeat(np.arange(len(rows)), len(first)),
                    "tokens": np.repeat(bands["tokens"].to_numpy(), len(first)),
                    "first_channel": np.tile(first, len(rows)),
                    "channels": np.tile(width, len(rows)),
                    "value": cells.ravel(),
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    frame.insert(0, "layer", kept.layer)
    frame.attrs["tap"] = f"{kept.tap} {_joined(int(bands['tokens'].max()), step)}{_quantised(run, stages)}"
    return frame


def _rows(bands: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Where each row of cells starts, and its band with the tokens that it joins; no row joins two bands."""
    kept = bands["kept"].to_numpy()
    join = max(1, -(-int(kept.sum()) // MOST_TOKENS))
    while (-(-kept // join)).sum() > MOST_TOKENS and join < kept.max():
        join += 1
    starts, index, sizes = [], [], []
    for band, (begin, size) in enumerate(zip(np.cumsum(kept) - kept, kept, strict=True)):
        own = np.arange(0, size, join)
        starts += (begin + own).tolist()
        index += [band] * len(own)
        sizes += np.diff([*own, size]).tolist()
    return np.array(starts), bands.iloc[index].assign(tokens=sizes)


def _largest(values: np.ndarray, starts: np.ndarray, axis: int) -> np.ndarray:
    """Largest finite magnitude of each stretch that begins at `starts`; NaN where there is none."""
    return np.fmax.reduceat(np.where(np.isfinite(values), values, np.nan), starts, axis=axis)


def _joined(tokens: int, channels: int) -> str:
    if tokens == channels == 1:
        return "Each cell is one value."
    parts = [f"{count} neighbouring {noun}" for count, noun in ((tokens, "tokens"), (channels, "channels")) if count > 1]
    return f"A cell is the largest magnitude of up to {' and '.join(parts)}."


def _quantised(run: Run | None, stages: tuple[str, ...]) -> str:
    if set(stages) == {"before"}:
        return ""
    return (
        f" After: these tokens on the stored grids of run {run.run_id}; what bypasses them stays as it is. "
        "Error: the magnitude of the difference."
    )
