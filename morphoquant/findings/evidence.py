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
SOURCES = ("both", "activation", "weight")  # the first that was measured is looked at
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
        return places(errors.assign(run=0)).get(0, cls({}, {}))

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
        places: its errors by place.
    """

    run: str
    label: str
    places: Places


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
        present = [name for name in SOURCES if (tap, name) in self._parts]
        return self._parts.get((tap, source or next(iter(present), "")), self.errors.iloc[:0])

    @cached_property
    def _parts(self) -> dict[tuple[str, str], pd.DataFrame]:
        return dict(list(self.errors.groupby(["tap", "source"], sort=False)))


def places(errors: pd.DataFrame) -> dict[int, Places]:
    """`Places` of each of several runs.

    Args:
        errors: rows of `Evidence.errors` of all of them, with column run; where the layers stand may be left out.
    """
    rank = errors["source"].map({name: place for place, name in enumerate(SOURCES)})
    rows = errors[rank == rank.groupby([errors["run"], errors["tap"]]).transform("min")]
    columns = [rows[name].tolist() for name in ("run", "tap", "layer", "modality", "db")]
    at: dict[int, dict] = {}
    for run, tap, layer, modality, *facts in zip(*columns, rows["tokens"] * rows["width"], rows["bypassed"], strict=True):
        at.setdefault(run, {})[tap, layer, modality] = tuple(facts)
    sums = summed(rows[rows["tap"] == "output"], ["run", "modality"], ["signal_sq", "error_sq"])
    pooled: dict[int, dict[str, float]] = {}
    for run, modality, db in zip(sums["run"], sums["modality"], sqnr_db(sums["signal_sq"], sums["error_sq"]), strict=True):
        pooled.setdefault(run, {})[modality] = float(db)
    return {run: Places(found, pooled.get(run, {})) for run, found in at.items()}
