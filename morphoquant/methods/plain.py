"""What methods of few parts have in common: no survey, fields as options, and rounding to nearest for what they do not find."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import ChannelSummary, GroupFit, GroupInputs
from morphoquant.methods.basis import in_basis
from morphoquant.methods.parts import Part
from morphoquant.methods.rtn import RTN
from morphoquant.quant.transform import Identity, Transform


@dataclass(frozen=True)
class PlainMethod:
    """A method whose fields are all there is to it."""

    def options(self) -> dict[str, Any]:
        """Every field."""
        return asdict(self)

    def check(self, spec: QuantSpec) -> None:
        """Every spec can be honoured."""

    def survey(self, summaries: Mapping[str, ChannelSummary]) -> None:
        """Nothing is asked of all groups."""
        return None


@dataclass(frozen=True)
class BasisMethod(PlainMethod):
    """A method that finds a change of basis and rounds to nearest in it."""

    finds = frozenset({Part.TRANSFORM})

    @property
    def nearest(self) -> RTN:
        """How inputs and weights are rounded in the basis."""
        return RTN()

    def transform(self, inputs: GroupInputs, spec: QuantSpec) -> Transform:
        """The change of basis of one group."""
        raise NotImplementedError

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        """Finds the basis, then rounds to nearest in it; without anything to quantise the basis stays."""
        self.check(spec)
        used = spec.quantises_weights or spec.quantises_activations
        transform = self.transform(inputs, spec) if used else Identity()
        return replace(self.nearest.fit(in_basis(inputs, transform), spec), transform=transform)


def require_token_scales(name: str, spec: QuantSpec) -> None:
    """Raises SpecError unless activations, where quantised, are integers with one dynamic scale a token."""
    if spec.quantises_activations and spec.a_granularity != "token":
        raise SpecError(
            f"{name} rounds activations to integers with one dynamic scale a token and cannot honour {str(spec)!r}: "
            "write it with -token, or use rtn."
        )


def require_least(method: PlainMethod, least: int, *fields: str) -> None:
    """Raises SpecError unless each of the method's `fields` is at least `least`."""
    for field in fields:
        if (value := getattr(method, field)) < least:
            raise SpecError(f"{method.name}.{field} cannot be {value}: allowed is {least} or more.")


def require_range(name: str, field: str, value: float, low: float, high: float, *, open_low: bool = False) -> None:
    """Raises SpecError unless `value` lies between `low` and `high`."""
    if not (low < value if open_low else low <= value) or not value <= high:
        least = f"above {low:g}" if open_low else f"at least {low:g}"
        raise SpecError(f"{name}.{field} cannot be {value}: allowed is {least} and at most {high:g}.")
