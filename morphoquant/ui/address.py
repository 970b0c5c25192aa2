"""Address: everything that decides what a page shows, as one frozen value that is also the link's query string.

The session holds one address, so that run and filters stay when the page changes; the query parameters mirror it,
so that copying the browser's address gives the view to somebody else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from morphoquant.core.errors import UnknownNameError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.core.modality import MODALITIES, Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.core.what_if import WhatIf
from morphoquant.store.run_store import check_run_id

NOTHING = "none"
_RUN = ("capture", "run", "before", "evaluation", "against", "sensitivity", "inspection")
_RUNS = ("runs", "captures", "evaluations", "inspections")
_NAMES = ("layer", "component", "role", "published", "figure")
_NUMBERS = ("sample", "block", "head")
_MEASURE, _WHAT_IF = "measure.", "whatif."
_NAME = re.compile(r"[a-z0-9_]{1,60}")
Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Address:
    """What is looked at.

    Attributes:
        capture: capture run, absent for the newest.
        run: quantize run, absent for the newest of the capture.
        runs: quantize runs that are compared, empty for the page's own choice.
        captures: captures that stand side by side, likewise.
        figure: view that is set side by side, absent for the first.
        before: quantize run that `run` is set against, absent for the page's own choice, "none" for none.
        layer: full name of a linear, absent for the page's own choice.
        component: part of the model, absent for all.
        role: kind of layer ("q_proj"), absent for all.
        modalities: those shown, empty for all.
        first: whether first tokens are taken in.
        channel: input channel, absent for all.
        evaluation: evaluate run whose answers are looked at, absent for the page's own choice.
        against: evaluate run that it is tested against, absent for the page's own choice.
        evaluations: evaluate runs that stand beside it, empty for all that may.
        sensitivity: sensitivity run, absent for the newest.
        inspection: inspect run, absent for the newest.
        inspections: inspect runs that are shown, empty for all that may stand beside it.
        sample: sample of an inspect run, absent for the view's own choice.
        block: block of the language model, likewise.
        head: attention head, absent for the mean over all.
        subjects: subjects of questions that are shown, empty for all.
        published: published table, absent for the first.
        measures: (view, measure) pairs that differ from the view's default.
        what_if: settings to predict with.
        all_layers: whether they are predicted for every layer too.
    """

    capture: str | None = None
    run: str | None = None
    runs: tuple[str, ...] = ()
    captures: tuple[str, ...] = ()
    figure: str | None = None
    before: str | None = None
    layer: str | None = None
    component: str | None = None
    role: str | None = None
    modalities: tuple[Modality, ...] = ()
    first: bool = False
    channel: int | None = None
    evaluation: str | None = None
    against: str | None = None
    evaluations: tuple[str, ...] = ()
    sensitivity: str | None = None
    inspection: str | None = None
    inspections: tuple[str, ...] = ()
    sample: int | None = None
    block: int | None = None
    head: int | None = None
    subjects: tuple[str, ...] = ()
    published: str | None = None
    measures: tuple[tuple[str, str], ...] = ()
    what_if: WhatIf = WhatIf()
    all_layers: bool = False

    def measure(self, view: str) -> str | None:
        """The measure chosen for `view`, absent for its default."""
        return dict(self.measures).get(view)

    def with_measure(self, view: str, measure: str | None) -> "Address":
        """The address with another measure for one view; None takes the choice back."""
        chosen = {name: value for name, value in self.measures if name != view}
        if measure is not None:
            chosen[view] = measure
        return replace(self, measures=tuple(sorted(chosen.items())))

    def selection(self, view: str) -> Selection:
        """The filters as `view` takes them."""
        return Selection(
            layer=self.layer,
            component=self.component,
            role=self.role,
            modalities=self.modalities,
            positions=(Position.FIRST, Position.REST) if self.first else (Position.REST,),
            channel=self.channel,
            measure=self.measure(view),
            subjects=self.subjects,
            sample=self.sample,
            block=self.block,
            head=self.head,
            what_if=self.what_if,
        )

    def to_query(self) -> dict[str, list[str]]:
        """Query parameters; what stands at its default is left out."""
        single = {name: getattr(self, name) for name in (*_RUN, *_NAMES)}
        query = {key: [value] for key, value in single.items() if value is not None}
        query |= {name: list(found) for name in _RUNS if (found := getattr(self, name))}
        if self.subjects:
            query["subject"] = list(self.subjects)
        if self.modalities:
            query["modality"] = [str(modality) for modality in self.modalities]
        if self.first:
            query["first"] = ["1"]
        if self.channel is not None:
            query["channel"] = [str(self.channel)]
        query |= {name: [str(number)] for name in _NUMBERS if (number := getattr(self, name)) is not None}
        if self.all_layers:
            query["all_layers"] = ["1"]
        query |= {f"{_WHAT_IF}{name}": [text] for name, text in self.what_if.written().items()}
        return query | {f"{_MEASURE}{view}": [measure] for view, measure in self.measures}

    def link(self) -> str:
        """The query string, with its question mark; empty for the default view."""
        query = self.to_query()
        return f"?{urlencode(query, doseq=True)}" if query else ""

    @classmethod
    def from_query(cls, query: Query) -> "Address":
        """Reads query parameters; unknown keys are somebody else's and are left alone.

        Raises:
            StoreError: a run identifier that cannot be one.
            UnknownNameError: a modality, subject, channel, sample, block, head or what-if setting that cannot be one.
            SpecError: a value that a what-if setting cannot have.
        """
        return cls(
            **{name: _run_id(query, name) for name in _RUN},
            **{name: tuple(dict.fromkeys(check_run_id(value) for value in query.get(name, ()))) for name in _RUNS},
            subjects=tuple(dict.fromkeys(_subject(value) for value in query.get("subject", ()))),
            **{name: _last(query, name) for name in _NAMES},
            modalities=tuple(dict.fromkeys(_modality(value) for value in query.get("modality", ()))),
            first=_last(query, "first") == "1",
            channel=_number("channel", _last(query, "channel")),
            **{name: _number(name, _last(query, name)) for name in _NUMBERS},
            what_if=WhatIf.read(
                {key[len(_WHAT_IF) :]: values[-1] for key, values in query.items() if key.startswith(_WHAT_IF) and values}
            ),
            all_layers=_last(query, "all_layers") == "1",
            measures=tuple(
                sorted((key[len(_MEASURE) :], values[-1]) for key, values in query.items() if key.startswith(_MEASURE) and values)
            ),
        )


def owns(key: str) -> bool:
    """Whether a query parameter is one of an address."""
    own = (*_RUN, *_RUNS, *_NAMES, *_NUMBERS, "modality", "first", "channel", "subject", "all_layers")
    return key in own or key.startswith(_WHAT_IF) or (key.startswith(_MEASURE) and bool(_NAME.fullmatch(key[len(_MEASURE) :])))


def _last(query: Query, key: str) -> str | None:
    values = query.get(key, ())
    return values[-1] if values and values[-1] else None


def _run_id(query: Query, key: str) -> str | None:
    value = _last(query, key)
    return None if value is None else check_run_id(value)


def _modality(value: str) -> Modality:
    if value not in MODALITIES:
        raise UnknownNameError("modality", value, MODALITIES)
    return Modality(value)


def _subject(value: str) -> str:
    if value not in SUBJECTS:
        raise UnknownNameError("subject", value, SUBJECTS)
    return value


def _number(name: str, value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"\d{1,7}", value):
        raise UnknownNameError(name, value, ["a number from 0 on"])
    return int(value)
