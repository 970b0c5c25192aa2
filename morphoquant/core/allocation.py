"""Allocation: a spec for every layer group instead of one for all, as a plan and a file hold it.

A plan keeps the spec that most groups have as its `spec`, and the others under "specs" in its fields: an allocation that gives
all groups one spec is the plain plan, and a plan without an allocation is what it always was.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from morphoquant.core.errors import SpecError
from morphoquant.core.plan import RunPlan
from morphoquant.core.spec import QuantSpec

SPECS = "specs"
_FORM = 1


@dataclass(frozen=True)
class Allocation:
    """A spec for each layer group, and where it comes from.

    Attributes:
        method: name of the method that the groups are quantised with.
        fields: its fields.
        specs: spec of each group, by the group's name.
        capture: run that the method was fitted to.
        sensitivity: runs that it was chosen from.
        subjects: what was asked about in the items that counted; empty for all.
        mean_w_bits: mean bits of a weight.
        mean_a_bits: mean bits of an activation, weighted by multiply-accumulates.
        kl: sum over the groups of the KL that each alone does, nats an item.
    """

    method: str
    fields: dict[str, Any]
    specs: dict[str, str]
    capture: str | None = None
    sensitivity: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    mean_w_bits: float | None = None
    mean_a_bits: float | None = None
    kl: float | None = None
    form: int = field(default=_FORM, kw_only=True)

    def text(self) -> str:
        """The file's text: JSON."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> "Allocation":
        """Reads a file.

        Raises:
            SpecError: it cannot be read, is no allocation, names no group, or a spec in it is none.
        """
        again = "make one with: python -m morphoquant allocate FILE --bits 6"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SpecError(f"allocation {path.name!r} cannot be read ({error}): {again}.") from None
        if not isinstance(values, dict) or values.get("form") != _FORM or not _whole(values):
            raise SpecError(f"{path.name!r} is no allocation of this release: {again}.")
        known = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items() if key in _KEYS}
        found = cls(**known)
        for spec in set(found.specs.values()):
            QuantSpec.parse(spec)
        return found


_KEYS = frozenset(Allocation.__dataclass_fields__)


def _whole(values: Mapping[str, Any]) -> bool:
    specs = values.get("specs")
    named = isinstance(specs, dict) and specs and all(isinstance(one, str) for one in specs.values())
    return bool(named and isinstance(values.get("method"), str) and isinstance(values.get("fields"), dict))


def common_spec(specs: Mapping[str, str]) -> str:
    """The spec that most groups have; of equally many the one with fewest bits."""
    counts = Counter(specs.values())
    return min(counts, key=lambda text: (-counts[text], *bits_of(text), text))


@cache
def bits_of(spec: str) -> tuple[int, int]:
    """Bits of a weight and of an activation, 16 for full precision; scales of groups and blocks not counted."""
    read = QuantSpec.parse(spec)
    return read.w_bits, read.a_bits


def specs_of(plan: RunPlan) -> dict[str, str]:
    """Groups of a run whose spec is not the plan's; empty where all have one."""
    return dict(plan.fields.get(SPECS, {}))


def own_fields(plan: RunPlan) -> dict[str, Any]:
    """The plan's fields without the specs of single groups."""
    return {name: value for name, value in plan.fields.items() if name != SPECS}


def spec_in_words(plan: RunPlan) -> str:
    """ "w4a4", or "w4a4 (groups: 30 w16a16, 12 w8a8)" where some groups have another."""
    counts = Counter(specs_of(plan).values())
    if not counts:
        return str(plan.spec)
    parts = ", ".join(f"{count} {spec}" for spec, count in sorted(counts.items()))
    return f"{plan.spec} (groups: {parts})"
