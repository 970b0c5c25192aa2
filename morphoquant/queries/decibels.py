"""Signal-to-error ratios from pooled powers. Decibels are never averaged: sums of squares are added first."""

import numpy as np
import pandas as pd


def sqnr_db(signal_sq, error_sq) -> np.ndarray:
    """10 log10(signal / error): infinite where the error is zero, NaN where there is no signal either.

    Args:
        signal_sq: sums of squares of the full-precision values.
        error_sq: sums of squares of the error, of the same values.
    """
    signal, error = np.asarray(signal_sq, float), np.asarray(error_sq, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10.0 * np.log10(signal / error)


def summed(frame: pd.DataFrame, by: list[str], columns: list[str]) -> pd.DataFrame:
    """Sums of `columns` for each combination of `by` that occurs; a sum over nulls alone stays null."""
    return frame.groupby(by, observed=True, sort=False)[columns].sum(min_count=1).reset_index()
