"""Allocated: any method with a spec of its own for single groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from morphoquant.core.allocation import SPECS, Allocation, common_spec
from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import ChannelSummary, GroupFit, GroupInputs, Method, Need
from morphoquant.methods.blocks import Holds
from morphoquant.methods.options import make_method


@dataclass(frozen=True)
class Allocated:
    """A method that fits some groups at another spec than the one it is handed; all else is the method's own.

    Attributes:
        method: what the groups are quantised with; not one that is fitted to whole blocks.
        specs: (group, spec as text) of those that have another.
    """

    method: Method
    specs: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        return self.method.name

    @property
    def needs(self) -> frozenset[Need]:
        return self.method.needs

    @property
    def holds(self) -> Holds:
        return getattr(self.method, "holds", Holds(0, 0))

    def matrices(self, role: str) -> int:
        return self.method.matrices(role) if hasattr(self.method, "matrices") else 0

    def options(self) -> dict[str, Any]:
        """Those of the method; the specs only where there are any, so that without them the plan is the method's own."""
        return {**self.method.options(), **({SPECS: dict(self.specs)} if self.specs else {})}

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError if the method cannot honour one of the specs, or looks at several groups together."""
        if self.specs and Need.BLOCKS in self.needs:
            raise SpecError(f"{self.name} is fitted to whole blocks, whose groups share a spec: choose its fields otherwise.")
        for one in {spec, *(QuantSpec.parse(text) for _, text in self.specs)}:
            self.method.check(one)

    def survey(self, summaries: Mapping[str, ChannelSummary]) -> object | None:
        """That of the method.

        Raises:
            SpecError: a group with a spec of its own is not in scope.
        """
        if unknown := next((group for group, _ in self.specs if group not in summaries), None):
            raise SpecError(
                f"the allocation names group {unknown!r}, which is not among the {len(summaries)} in scope: "
                "choose the model and the --scope that it was made for."
            )
        return self.method.survey(summaries)

    def at(self, group: str, spec: QuantSpec) -> tuple[Method, QuantSpec]:
        """The method and spec that a group is fitted with; `runs.fitting` shares such fits with the method's own."""
        own = dict(self.specs).get(group)
        return self.method, spec if own is None else QuantSpec.parse(own)

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        """Fits a group at its own spec."""
        method, own = self.at(inputs.group, spec)
        return method.fit(inputs, own, survey)


def allocated(allocation: Allocation) -> tuple[Method, QuantSpec]:
    """The method and spec that measure an allocation.

    Raises:
        UnknownNameError: it names a method that there is not.
        SpecError: or a field, or a spec.
    """
    common = common_spec(allocation.specs)
    others = tuple((group, allocation.specs[group]) for group in sorted(allocation.specs) if allocation.specs[group] != common)
    return Allocated(make_method(allocation.method, allocation.fields), others), QuantSpec.parse(common)
