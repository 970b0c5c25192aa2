"""Rule: one thing that may be worth saying. `RULES` finds the files of this package by itself: a new rule is a new file."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from morphoquant.core.registry import Registry
from morphoquant.findings.evidence import Evidence
from morphoquant.findings.finding import Finding, ranked


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: registered name, the file's name.
        says: when it speaks, in one line.
        find: evidence -> what it has to say, nothing where the numbers stay within the threshold or are not there.
    """

    name: str
    says: str
    find: Callable[[Evidence], list[Finding]]


RULES: Registry[Rule] = Registry("rule")


def rules() -> list[Rule]:
    """All rules, by name."""
    package = __name__.rpartition(".")[0]
    for module in iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")
    return [rule for _, rule in sorted(RULES.items())]


def findings(evidence: Evidence) -> list[Finding]:
    """What all rules have to say, worst first."""
    return ranked(one for rule in rules() for one in rule.find(evidence))
