"""A run's frame less that of a reference, row by row where both have the row. Decibels are subtracted, never averaged."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError

_PLACE = ["layer", "label", "component", "role", "block", "order", "modality"]


def ranges_less(frame: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Frames of `channel_ranges`, subtracted: how much wider each channel reaches.

    Returns:
        layer, modality, channel, first_channel, channels (joined in the point), absmax, reference_absmax, value (absmax less
        reference_absmax, in units of the activation).
    """
    both = _joined(frame, reference[["modality", "first_channel", "absmax"]], ["modality", "first_channel"])
    both = both.rename(columns={"absmax_reference": "reference_absmax"})
    columns = ["layer", "modality", "channel", "first_channel", "channels", "absmax", "reference_absmax"]
    return both[columns].assign(value=both["absmax"] - both["reference_absmax"])


def shares_less(frame: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Frames of `magnitude_histogram`, subtracted, of modalities that both have; a bin that one does not fill is empty there.

    Returns:
        modality, low, high, per_octave_percent, reference_percent, value (percentage points an octave).
    """
    present = set(frame["modality"]) & set(reference["modality"])
    sides = [side[side["modality"].isin(present) & (side["low"] > 0)] for side in (frame, reference)]
    keys = ["modality", "low", "high"]
    both = sides[0][[*keys, "per_octave_percent"]].merge(
        sides[1][[*keys, "per_octave_percent"]].rename(columns={"per_octave_percent": "reference_percent"}), on=keys, how="outer"
    )
    both = _some(both).fillna({"per_octave_percent": 0.0, "reference_percent": 0.0}).sort_values(["modality", "low"])
    return both.assign(value=both["per_octave_percent"] - both["reference_percent"]).reset_index(drop=True)


def masks_less(frame: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Frames of `outlier_masks`, subtracted.

    Returns:
        The columns of a layer, modality, width, and as text with spaces between: both (outliers in either run), gained (in this
        one only), lost (in the reference only); value (gained less lost, in channels).
    """
    both = _joined(frame, reference[["layer", "modality", "channels"]], ["layer", "modality"])
    here = [set(map(int, text.split())) for text in both["channels"]]
    there = [set(map(int, text.split())) for text in both["channels_reference"]]
    pairs = list(zip(here, there, strict=True))
    found = both[[*_PLACE, "width"]].assign(
        both=[_text(one & other) for one, other in pairs],
        gained=[_text(one - other) for one, other in pairs],
        lost=[_text(other - one) for one, other in pairs],
    )
    return found.assign(value=[len(one) - len(other) for one, other in pairs])


def splits_less(frame: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Frames of `clipping_and_rounding`, subtracted: the columns clip_nmse, round_nmse and clip_share_percent are differences."""
    parts = ["clip_nmse", "round_nmse", "clip_share_percent"]
    # Rows of pooled layers have no layer, and an absent key joins nothing.
    keyed = [side.assign(key=side["layer"].fillna("")) for side in (frame, reference)]
    both = _joined(keyed[0], keyed[1][["key", "modality", *parts]], ["key", "modality"])
    return both[_PLACE].assign(**{name: both[name] - both[f"{name}_reference"] for name in parts})


def errors_less(frame: pd.DataFrame, reference: pd.DataFrame, ratio: bool) -> pd.DataFrame:
    """Frames of `layer_errors`, subtracted, or divided where the measure calls for a log axis.

    Args:
        frame: of the run.
        reference: of the reference.
        ratio: value over the reference's, instead of less.

    Returns:
        The columns of a layer, modality, tokens, measured, reference_value, value; no row where the difference is no number, as
        of two exact layers.
    """
    both = _joined(frame, reference[["layer", "modality", "value"]], ["layer", "modality"])
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = both["value"].to_numpy(float), both["value_reference"].to_numpy(float)
        value = one / other if ratio else one - other
    found = both[[*_PLACE, "tokens"]].assign(measured=both["value"], reference_value=both["value_reference"], value=value)
    return _some(found[np.isfinite(value) & ((value > 0) if ratio else True)]).reset_index(drop=True)


def _joined(frame: pd.DataFrame, reference: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return _some(frame.merge(reference, on=keys, suffixes=("", "_reference")))


def _some(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` if it has a row.

    Raises:
        StoreError: the two have nothing in common.
    """
    if frame.empty:
        raise StoreError("the two runs share no layer, modality or channel here: take in more modalities, or another layer.")
    return frame


def _text(channels: set[int]) -> str:
    return " ".join(map(str, sorted(channels)))
