"""View: one question about a run, with the query that answers it and the figure that shows it.

`VIEWS` finds the files of this package by itself at its first use: a new view is a new file, registered by one line in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Literal

import pandas as pd
import plotly.graph_objects as go

from morphoquant.core.errors import UnknownNameError
from morphoquant.core.registry import Registry
from morphoquant.core.selection import Selection
from morphoquant.store.run_store import Run, RunStore


@dataclass(frozen=True)
class Measure:
    """One of several quantities that a view can show; `Selection.measure` holds its name.

    Attributes:
        name: as in a link.
        label: for menus and axes, without the unit.
        unit: unit of the values, "1" for pure numbers.
        log: whether the values call for a log axis.
    """

    name: str
    label: str
    unit: str = "1"
    log: bool = False

    @property
    def axis(self) -> str:
        """The axis title: label, unit and, on a log axis, that it is one."""
        facts = ", ".join([self.unit, *(["log scale"] if self.log else [])])
        return f"{self.label} ({facts})"


@dataclass(frozen=True)
class View:
    """A question about one run or several.

    Attributes:
        name: registered name, the file's name, also the name of an exported file.
        title: heading of the figure panel.
        question: the question it answers.
        how_to_read: one line under the chart.
        takes: names of the `Selection` fields that change the answer.
        runs: "capture": one capture run (a quantize run stands for its capture); "quantize": one quantize run;
            "many": one or more quantize runs that differ in method, fields or spec only; "evaluate": evaluations of one
            model on the same items (two, if `most` is 2); "sensitivity": one sensitivity run.
        query: (store, runs, selection) -> tidy frame; raises a MorphoQuantError when the runs cannot answer.
        draw: (frame, selection) -> figure. Each clickable point's customdata starts with [layer or None, channel or None].
        measures: what `selection.measure` may name, the default first; empty when the view has one measure only.
        most: the largest number of runs it takes, absent for any.
        rings: names of the `Selection` fields that only ring a point of the figure.
    """

    name: str
    title: str
    question: str
    how_to_read: str
    takes: frozenset[str]
    runs: Literal["capture", "quantize", "many", "evaluate", "sensitivity"]
    query: Callable[[RunStore, list[Run], Selection], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Selection], go.Figure]
    measures: tuple[Measure, ...] = ()
    most: int | None = 1
    rings: frozenset[str] = frozenset()


def chosen(measures: tuple[Measure, ...], selection: Selection) -> Measure:
    """The measure that `selection` names, the first one if it names none.

    Raises:
        UnknownNameError: the view has no such measure.
    """
    if selection.measure is None:
        return measures[0]
    for measure in measures:
        if measure.name == selection.measure:
            return measure
    raise UnknownNameError("measure", selection.measure, [measure.name for measure in measures])


def of_subjects(frame: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    """The rows of the subjects that `selection` names, all if it names none."""
    return frame[frame["subject"].isin(selection.subjects)].reset_index(drop=True) if selection.subjects else frame


class ViewRegistry(Registry[View]):
    """A registry that imports the sibling files when it is first read."""

    def _discover(self) -> None:
        package = __name__.rpartition(".")[0]
        for module in iter_modules(import_module(package).__path__):
            import_module(f"{package}.{module.name}")

    def __getitem__(self, name: str) -> View:
        self._discover()
        return super().__getitem__(name)

    def __iter__(self):
        self._discover()
        return super().__iter__()

    def __len__(self) -> int:
        self._discover()
        return super().__len__()

    def items(self):
        """Pairs of (name, view), by name."""
        self._discover()
        return sorted(super().items())


VIEWS = ViewRegistry("view")
