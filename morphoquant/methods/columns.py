"""The grids table's columns of a fit."""

import numpy as np

from morphoquant.quant.activation import StaticQuantizer


def grid_columns(
    quantizer: StaticQuantizer,
    *,
    base: tuple[np.ndarray, np.ndarray] | None = None,
    score: np.ndarray | None = None,
    masked: np.ndarray | None = None,
    limit: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """All columns but `group`, one entry a channel.

    Args:
        quantizer: the static quantiser in use.
        base: edges before the search [K] each; those in use if there was none.
        score: dispersion score [K]; NaN if it was not computed.
        masked: outlier channels [K]; none if absent.
        limit: magnitude above which masked channels bypass [K]; 0 where every value does.

    Returns:
        numpy columns; NaN stands for null.
    """
    grid = quantizer.grid()
    channels = len(grid["low"])
    absent = np.full(channels, np.nan)
    low, high = (grid["low"], grid["high"]) if base is None else base
    masked = np.zeros(channels, bool) if masked is None else masked
    return {
        "channel": np.arange(channels, dtype=np.int32),
        "score": absent if score is None else score,
        "masked": masked,
        "base_low": low.astype(np.float64),
        "base_high": high.astype(np.float64),
        **grid,
        "bypass_limit": absent if limit is None else np.where(masked, np.maximum(limit, 0.0), np.nan),
    }
