"""Evidence: what the rules look at. Plain frames, so that a rule can be tried on numbers written by hand."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from morphoquant.queries.decibels import sqnr_db, summed

PLACE = ["layer", "label", "component", "role", "block", "order"]
INPUT_COLUMNS = [*PLACE, "modality", "position", "tokens", "not_finite", "width", "constant", "absmax"]
INPUT_COLUMNS += ["channel", "median_absmax"]
ERROR_COLUMNS = [
    *PLACE,
    "modality",
    "tap",
    "source",
    "tokens",
    "width",
    "signal_sq",
    "error_sq",
    "clip_sq",
    "round_sq",
    "bypassed",
    "db",
]
CHANNEL_COLUMNS = ["layer", "modality", "width", "half", "signal_sq", "clip_sq", "round_sq"]
CHANNEL_COLUMNS += ["channel", "channel_clip_sq", "channel_round_sq"]
TOKEN_COLUMNS = ["modality", "tokens"]
PEAK_COLUMNS = ["layer", "modality", "peak"]
BEYOND_COLUMNS = ["layer", "modality", "values", "beyond", "channels", "channel", "beyond_sq", "error_sq"]


def blank(columns: list[str]) -> pd.DataFrame:
    """A frame without rows: nothing is known."""
    return pd.DataFrame(columns=columns)


@dataclass(frozen=True, eq=False)
class Places:
    """Errors of one run by place, for rules that ask many runs about one.

    Attributes:
        at: (tap, layer, modality) -> SQNR in dB, values, and how many of them bypassed the grid.
        pooled: modality -> output SQNR over all layers, in dB.
    """

    at: Mapping[tuple[str, str, str], tuple[float, float, float]]
    pooled: Mapping[str, float]

    @classmethod
    def of(cls, errors: pd.DataFrame) -> "Places":
        """Of rows of `Evidence.errors`."""
        at: dict[tuple[str, str, str], tuple[float, float, float]] = {}
        for tap in ("input", "output"):
            rows = error_rows(errors, tap)
            keys = zip(rows["layer"], rows["modality"], strict=True)
            values = zip(rows["db"], rows["tokens"] * rows["width"], rows["bypassed"], strict=True)
            at |= {(tap, *key): value for key, value in zip(keys, values, strict=True)}
        sums = summed(error_rows(errors, "output"), ["modality"], ["signal_sq", "error_sq"])
        return cls(at, dict(zip(sums["modality"], map(float, sqnr_db(sums["signal_sq"], sums["error_sq"])), strict=True)))

    def db(self, layer: str, modality: str, tap: str) -> float | None:
        """SQNR there; absent where it was not measured or nothing is lost."""
        value = float(self.at.get((tap, layer, modality), (math.nan,))[0])
        return value if math.isfinite(value) else None

    def bypassed(self, group: str, modality: str) -> float:
        """Share of an input's values that a method keeps in full precision; 0 where it does not say."""
        _, values, kept = self.at.get(("input", group, modality), (math.nan, 0.0, 0.0))
        return float(kept) / float(values) if values and kept == kept else 0.0


@dataclass(frozen=True)
class Other:
    """A run that may be compared with the one looked at.

    Attributes:
        run: its identifier.
        label: its method and spec.
        errors: as `Evidence.errors`; where the layers stand may be left out.
    """

    run: str
    label: str
    errors: pd.DataFrame

    @cached_property
    def places(self) -> Places:
        """`errors` by place."""
        return Places.of(self.errors)


@dataclass(frozen=True)
class Evidence:
    """A capture, and one quantize run fitted to it if there is one.

    Attributes:
        capture: identifier of the capture.
        tokens: the model's input tokens in the capture, all position classes: modality, tokens.
        inputs: `queries.inputs.layer_inputs` of the capture.
        peaks: `queries.token_peaks.token_peaks` of the inputs with the widest channels.
        run: identifier of the quantize run, absent if none is looked at.
        label: its method and spec.
        bits: bit-width of its activations, absent if they are not quantised to 8 bits or fewer.
        measured: the run's input tokens, as `tokens`.
        errors: content modalities without first tokens, a row for each (layer, modality, tap, source): sums of squares, values
            that bypassed the grid, and db (SQNR). Inputs stand under the first linear of their group.
        channels: of inputs whose grid use the run keeps, a row an input and modality: the columns of `queries.input_use`, which
            tell what its channels make of its error.
        beyond: `queries.beyond.beyond_seen` of inputs that are mostly clipped.
        groups: layer -> first linear that shares its input.
        others: runs that may be compared and have the same bit-widths.
    """

    capture: str
    tokens: pd.DataFrame = field(default_factory=lambda: blank(TOKEN_COLUMNS))
    inputs: pd.DataFrame = field(default_factory=lambda: blank(INPUT_COLUMNS))
    peaks: pd.DataFrame = field(default_factory=lambda: blank(PEAK_COLUMNS))
    run: str | None = None
    label: str = ""
    bits: int | None = None
    measured: pd.DataFrame = field(default_factory=lambda: blank(TOKEN_COLUMNS))
    errors: pd.DataFrame = field(default_factory=lambda: blank(ERROR_COLUMNS))
    channels: pd.DataFrame = field(default_factory=lambda: blank(CHANNEL_COLUMNS))
    beyond: pd.DataFrame = field(default_factory=lambda: blank(BEYOND_COLUMNS))
    groups: dict[str, str] = field(default_factory=dict)
    others: tuple[Other, ...] = ()

    @cached_property
    def places(self) -> Places:
        """`errors` by place."""
        return Places.of(self.errors)

    def errors_of(self, tap: str, source: str | None = None) -> pd.DataFrame:
        """Rows of one tap ("input" or "output") and source, absent for "both", else "activation", else "weight"."""
        return error_rows(self.errors, tap, source)


def error_rows(errors: pd.DataFrame, tap: str, source: str | None = None) -> pd.DataFrame:
    """Rows of `errors` of one tap and source; see `Evidence.errors_of`."""
    rows = errors[errors["tap"] == tap]
    present = set(rows["source"])
    source = source or next((name for name in ("both", "activation", "weight") if name in present), None)
    return rows[rows["source"] == source]
