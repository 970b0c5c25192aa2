"""Finding: one sentence about a run, with its numbers, the figure that shows them, and what makes it worth saying."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from morphoquant.core.selection import Selection


class Severity(IntEnum):
    """How much a finding weighs, before it is weighed against others of its kind."""

    RISK = 1
    """A property of the activations or the data that a method has to cope with."""
    CAUSE = 2
    """What makes the error of a layer's input large."""
    LOSS = 3
    """An error of outputs that is larger than it need be."""
    BLIND = 4
    """Numbers that are missing or worthless: nothing can be concluded for this part."""


@dataclass(frozen=True)
class Link:
    """A figure.

    Attributes:
        words: what it shows, for a label of three or four words.
        view: name of a registered view.
        runs: identifiers of the runs that the view is asked of.
        selection: layer, channel, modalities, positions and measure that it is asked with.
    """

    words: str
    view: str
    runs: tuple[str, ...]
    selection: Selection


@dataclass(frozen=True)
class Mend:
    """What measured better at the same place, in a stored run that may be compared.

    Attributes:
        sentence: the run and by how much.
        numbers: those in the sentence.
        run: identifier of that run.
        link: the figure that shows both.
    """

    sentence: str
    numbers: Mapping[str, float | int | str]
    run: str
    link: Link


@dataclass(frozen=True)
class Finding:
    """One thing worth saying.

    Attributes:
        rule: registered name of the rule that says it.
        sentence: plain words with the numbers in them.
        numbers: the numbers in the sentence, by name with unit.
        severity: its weight.
        excess: how far beyond the threshold, in bits: 6.02 dB, or a factor of two of an amplitude or a count; for what is not
            known, the share of the data that it is about.
        runs: identifiers of the runs that it is about.
        links: figures; the first shows the numbers of the sentence.
        threshold: the number from which on the rule speaks.
        unit: of the threshold, with its direction, such as "dB below the median layer".
        source: where the threshold comes from.
        modality: the modality it is about, absent for none in particular.
        component: the part of the model it is about, likewise.
        mend: what to try, absent where nothing measured better.
    """

    rule: str
    sentence: str
    numbers: Mapping[str, float | int | str]
    severity: Severity
    excess: float
    runs: tuple[str, ...]
    links: tuple[Link, ...]
    threshold: float
    unit: str
    source: str
    modality: str | None = None
    component: str | None = None
    mend: Mend | None = field(default=None)


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, worst first: by severity, then by how far they are beyond their threshold."""
    return sorted(findings, key=lambda one: (-one.severity, -one.excess, one.rule, one.modality or ""))
