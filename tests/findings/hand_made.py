"""Evidence written by hand: every number of a test stands in the test."""

import math

import pandas as pd

from morphoquant.findings.evidence import CHANNEL_COLUMNS, ERROR_COLUMNS, INPUT_COLUMNS, TOKEN_COLUMNS, Evidence, Other, Places
from morphoquant.queries.input_use import by_input

CAPTURE, RUN = "capture-000000000000", "rtn-w4a4-000000000000"


def row_of(layer: str, component: str = "language", order: int = 0) -> dict:
    """A layer: its name, and where it stands."""
    return {
        "layer": layer,
        "label": layer.rpartition(".")[2],
        "component": component,
        "role": "proj",
        "block": order,
        "order": order,
    }


def inputs(*rows: dict) -> pd.DataFrame:
    """Rows of `Evidence.inputs`; what a row leaves out is ordinary."""
    plain = {"position": "rest", "tokens": 1000, "not_finite": 0, "width": 64, "constant": 0, "absmax": 1.0}
    plain |= {"channel": 3, "median_absmax": 1.0}
    return pd.DataFrame([row_of(row["layer"]) | plain | row for row in rows], columns=INPUT_COLUMNS)


def tokens(**counts: int) -> pd.DataFrame:
    """Tokens by modality."""
    return pd.DataFrame(list(counts.items()), columns=TOKEN_COLUMNS)


def error(layer: str, modality: str, db: float, tap: str = "output", source: str = "both", clip: float = 0.0, **more) -> dict:
    """An error of `db` decibels on a signal of power 1, a share `clip` of it clipped."""
    power = 10 ** (-db / 10)
    sums = {"signal_sq": 1.0, "error_sq": power, "clip_sq": clip * power, "round_sq": (1 - clip) * power}
    place = row_of(layer, more.pop("component", "language"))
    return (
        place
        | {"modality": modality, "tap": tap, "source": source, "tokens": 100, "width": 10, "bypassed": 0, "db": db}
        | sums
        | more
    )


def errors(*rows: dict) -> pd.DataFrame:
    """Rows of `Evidence.errors`."""
    return pd.DataFrame(list(rows), columns=ERROR_COLUMNS)


def channels(layer: str, modality: str, clipped: list[float], rounded: list[float], signal: float = 1.0) -> pd.DataFrame:
    """What the channels of one input make of its error: the signal in equal parts, the error as given."""
    rows = [
        (layer, modality, channel, 10, signal / len(clipped), one, other)
        for channel, (one, other) in enumerate(zip(clipped, rounded, strict=True))
    ]
    columns = ["layer", "modality", "channel", "count", "signal_sq", "clip_sq", "round_sq"]
    return by_input(pd.DataFrame(rows, columns=columns), columns[:2])[CHANNEL_COLUMNS]


def evidence(**fields) -> Evidence:
    """Evidence of a 4-bit run."""
    return Evidence(**{"capture": CAPTURE, "run": RUN, "label": "rtn w4a4", "bits": 4} | fields)


def other(label: str, *rows: dict) -> Other:
    """A run that may be compared."""
    return Other(f"{label}-w4a4-111111111111", label, Places.of(errors(*rows)))


def just_below(value: float) -> float:
    """The next smaller number, far enough off to be another after a division."""
    return value * (1 - 1e-9) if math.isfinite(value) else value
