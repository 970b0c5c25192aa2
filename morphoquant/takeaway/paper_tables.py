"""Tables for a paper or a report: what to call each, which runs it is of, and the frame in people's words."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from morphoquant.core.evaluation import SUBJECTS
from morphoquant.core.layers import short_name
from morphoquant.core.modality import CONTENT, MODALITIES
from morphoquant.core.registry import Registry
from morphoquant.core.selection import Selection
from morphoquant.queries.accuracy import accuracy
from morphoquant.queries.compare import compare_methods
from morphoquant.queries.compare_accuracy import accuracy_columns, compare_accuracy
from morphoquant.queries.compare_cost import compare_cost
from morphoquant.queries.compare_table import compare_table
from morphoquant.queries.propagation import last_blocks, propagation
from morphoquant.queries.sensitivity import ranking_in_words, sensitivity
from morphoquant.queries.sources import capture_of
from morphoquant.queries.tokens import tokens_by_modality
from morphoquant.queries.worst import worst_layers
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.views.base import of_subjects

Rows = Callable[[RunStore, list[Run], Selection], pd.DataFrame]


@dataclass(frozen=True)
class PaperTable:
    """A table.

    Attributes:
        name: registered name, also that of its files.
        title: its caption's first words.
        how_to_read: one line.
        runs: as `View.runs`.
        rows: (store, runs, selection) -> frame whose column titles carry units.
        takes: as `View.takes`.
        most: as `View.most`.
        width: of a paper's column that it needs, "single" or "double".
        least: as `View.least`.
    """

    name: str
    title: str
    how_to_read: str
    runs: Literal["capture", "quantize", "many", "evaluate", "sensitivity", "inspect"]
    rows: Rows
    takes: frozenset[str] = frozenset({"component", "role", "modalities", "positions"})
    most: int | None = 1
    width: str = "single"
    least: int = 1


TABLES: Registry[PaperTable] = Registry("table")


def _methods(store: RunStore, runs: list[Run], selection: Selection) -> pd.DataFrame:
    kept = selection if selection.modalities else replace(selection, modalities=CONTENT)
    compared = compare_methods(runs, kept)
    answered = accuracy_columns(compare_accuracy(store, runs)).reindex(compared["run_id"].unique()).reset_index(drop=True)
    return compare_table(compared).join(answered)


def _cost(store: RunStore, runs: list[Run], selection: Selection) -> pd.DataFrame:
    return compare_cost(runs).drop(columns="run_id")


def _layers(store: RunStore, runs: list[Run], selection: Selection) -> pd.DataFrame:
    frame = worst_layers(capture_of(store, runs), selection, "max_median_ratio")
    rows = frame[frame["worst"]].drop_duplicates("rank")
    shown = {"layer": rows["layer"].map(short_name), "part": rows["component"], "modality": rows["modality"]}
    shown |= {"channel": rows["channel"], "widest / median channel": rows["value"]}
    return pd.DataFrame(shown).reset_index(drop=True)


def _tokens(store: RunStore, runs: list[Run], selection: Selection) -> pd.DataFrame:
    frame = tokens_by_modality(capture_of(store, runs), selection)
    titles = {"share_percent": "share, %"}
    return frame.drop(columns="position" if frame["position"].nunique() < 2 else []).rename(columns=titles)


def _answers(store: RunStore, runs: list[Run], selection: Selection) -> pd.DataFrame:
    frame = of_subjects(accuracy(runs, "subject", captures=True), selection)
    cells = [f"{100 * one.accuracy:.1f} [{100 * one.low:.0f}, {100 * one.high:.0f}]" for one in frame.itertuples()]
    wide = frame.assign(cell=cells).pivot(index="run_id", columns="subject", values="cell")
    wide = wide.reindex(index=frame["run_id"].unique(), columns=[name for name in SUBJECTS if name in set(frame["subject"])])
    shown = wide.fillna("").rename(columns="{} (%)".format)
    shown.insert(0, "method", frame.drop_duplicates("run_id").set_index("run_id")["label"])
    return shown.reset_index(drop=True)


def _ranking(store: RunStore, runs: list[Run], selection: Selection) -> pd.DataFrame:
    return ranking_in_words(sensitivity(runs[0], selection.subjects), 20)


def _propagation(store: RunStore, runs: list[Run], selection: Selection) -> pd.DataFrame:
    return last_blocks(propagation(runs, selection)).rename(columns=lambda name: f"{name} (dB)" if name in MODALITIES else name)


_SUBJECTS = frozenset({"subjects"})
_ALL = (
    PaperTable("methods", "Methods by modality", "SQNR of linear outputs in dB, powers pooled over layers: higher is better, "
               "6 dB are one bit. Each linear alone, on full-precision inputs.", "many", _methods, most=None,
               width="double"),
    PaperTable("cost", "What the methods cost", "Beside the quantised products themselves.", "many", _cost, frozenset(), None,
               "double"),
    PaperTable("worst_layers", "Layers with the strongest outliers", "Range of the widest channel over that of the median one, "
               "in the modality that is worst.", "capture", _layers),
    PaperTable("tokens", "Tokens captured", "Tokens of the model's input, padding left out.", "capture", _tokens,
               frozenset({"modalities", "positions"})),
    PaperTable("accuracy", "Right answers", "Closed questions, scored by log-likelihood; 95 % intervals in brackets.", "evaluate",
               _answers, _SUBJECTS, None, "double"),
    PaperTable("sensitivity", "Most sensitive layer groups", "Each group quantised alone; KL in nats of the answers to those of "
               "full precision.", "sensitivity", _ranking, _SUBJECTS),
    PaperTable("propagation", "Error of hidden states", "SQNR in dB behind the last block of each part, and behind "
               "connectors: that module alone quantised, and everything in scope.", "inspect", _propagation,
               frozenset({"modalities", "positions"}), None, "double"),
)  # fmt: skip
for _table in _ALL:
    TABLES.add(_table.name, _table)
