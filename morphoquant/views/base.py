"""View: one question about a run, with the query that answers it and the figure that shows it.

`VIEWS` finds the files of this package by itself at its first use: a new view is a new file, registered by one line in it. A view
that says how it stands `beside` itself is known for several runs too, as side_NAME and, where one can subtract, difference_NAME.
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
        meaning: what it tells, in one line, where the view does not say it.
    """

    name: str
    label: str
    unit: str = "1"
    log: bool = False
    meaning: str = ""

    @property
    def axis(self) -> str:
        """The axis title: label, unit (a pure number has none) and, on a log axis, that it is one."""
        facts = [*([self.unit] if self.unit != "1" else []), *(["log scale"] if self.log else [])]
        return f"{self.label} ({', '.join(facts)})" if facts else self.label


def _as_it_is(frame: pd.DataFrame, runs: int) -> pd.DataFrame:
    return frame


@dataclass(frozen=True)
class Beside:
    """What a view needs so that several runs of it can stand side by side.

    Attributes:
        title: of the differences.
        how_to_read: the differences, in one line.
        less: (frame of a run, frame of the reference, selection) -> frame of the differences; absent where there is no
            sense in subtracting.
        draw: (frame of the differences, selection) -> figure.
        measures: those that can be subtracted, absent for all of the view.
        thinned: (frame, number of runs) -> a frame that is light enough beside the others.
    """

    title: str = ""
    how_to_read: str = ""
    less: Callable[[pd.DataFrame, pd.DataFrame, Selection], pd.DataFrame] | None = None
    draw: Callable[[pd.DataFrame, Selection], go.Figure] | None = None
    measures: tuple[Measure, ...] | None = None
    thinned: Callable[[pd.DataFrame, int], pd.DataFrame] = _as_it_is


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
            model on the same items (two, if `most` is 2); "sensitivity": one sensitivity run;
            "inspect": inspect runs that differ in method, fields and spec only (one, if `most` is 1);
            "none": no run at all.
        query: (store, runs, selection) -> tidy frame; raises a MorphoQuantError when the runs cannot answer.
        draw: (frame, selection) -> figure. Each clickable point's customdata starts with [layer or None, channel or None].
        measures: what `selection.measure` may name, the default first; empty when the view has one measure only.
        most: the largest number of runs it takes, absent for any.
        rings: names of the `Selection` fields that only ring a point of the figure.
        least: the smallest number of runs it takes.
        beside: how several runs of it stand side by side, absent where they do not.
        caption: what exactly the figure of a frame shows, where that is more than its filters; absent for nothing more.
        after: for a view of captures, whether a quantize run in its place adds what it made of the capture's values.
    """

    name: str
    title: str
    question: str
    how_to_read: str
    takes: frozenset[str]
    runs: Literal["capture", "quantize", "many", "evaluate", "sensitivity", "inspect", "none"]
    query: Callable[[RunStore, list[Run], Selection], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Selection], go.Figure]
    measures: tuple[Measure, ...] = ()
    most: int | None = 1
    rings: frozenset[str] = frozenset()
    least: int = 1
    beside: Beside | None = None
    caption: Callable[[pd.DataFrame], str] | None = None
    after: bool = False

    def told(self, frame: pd.DataFrame, selection: Selection) -> str:
        """What stands under the figure of `frame`: what is measured, how to read it, and what exactly it shows."""
        meaning = chosen(self.measures, selection).meaning if self.measures else ""
        return " ".join(words for words in (meaning, self.how_to_read, self.caption(frame) if self.caption else "") if words)


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

    _discovered = False

    def _discover(self) -> None:
        if self._discovered:
            return
        package = __name__.rpartition(".")[0]
        for module in iter_modules(import_module(package).__path__):
            import_module(f"{package}.{module.name}")
        self._discovered = True

    def several(self) -> dict[str, View]:
        """Views of several runs by name, made of those of one that say how they stand beside each other."""
        self._discover()
        package = __name__.rpartition(".")[0]
        made = import_module(f"{package}.composed").composed
        return {view.name: view for _, one in self.items() if one.beside for view in made(one)}

    def __getitem__(self, name: str) -> View:
        """The view, of one run or of several.

        Raises:
            UnknownNameError: there is no such view.
        """
        self._discover()
        if name in self._things:
            return super().__getitem__(name)
        several = self.several()
        if name not in several:
            raise UnknownNameError(self.kind, name, [*self._things, *several])
        return several[name]

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
