"""Composed: the basis of one method with the weights of another and the activation bounds of a third.

Each method is fitted to the inputs as the transforms of those before it leave them. Of the results are taken: all transforms,
one after the other; the weights of the method that finds weights; quantiser, correction and grid of the method that finds
activation bounds. What none of them finds is rounded to nearest in the final basis.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import ChannelSummary, GroupFit, GroupInputs, Method, Need
from morphoquant.methods.basis import in_basis
from morphoquant.methods.blocks import Holds
from morphoquant.methods.parts import Part, parts_found
from morphoquant.quant.transform import composed


@dataclass(frozen=True)
class Composed:
    """Methods one after the other, such as "quarot+mdqfo" or "smoothquant+gptq+dabc".

    Statistics under a transform that mixes channels come from the token sample (`methods/basis.py`).

    Attributes:
        methods: at least two, each of another name. Those that change the basis come before those that find weights or
            activation bounds, and each of these is found by one method alone.
    """

    methods: tuple[Method, ...]

    def __post_init__(self):
        names = [method.name for method in self.methods]
        if len(names) < 2 or len(set(names)) < len(names):
            raise SpecError(f"cannot combine {' and '.join(names) or 'nothing'}: give two or more methods, each once.")
        found: dict[Part, str] = {}
        for method in self.methods:
            parts = parts_found(method)
            late = next((part for part in (Part.WEIGHTS, Part.ACTIVATION) if part in found), None)
            if Part.TRANSFORM in parts and late is not None:
                raise SpecError(
                    f"{method.name} changes the basis in which {found[late]} has found its {_WORDS[late]}: "
                    f"put {method.name} before {found[late]}."
                )
            for part in sorted(parts - {Part.TRANSFORM}):
                if part in found:
                    raise SpecError(f"both {found[part]} and {method.name} find {_WORDS[part]}: leave one of them out.")
                found[part] = method.name

    @property
    def name(self) -> str:
        """The names with "+" between them."""
        return "+".join(method.name for method in self.methods)

    @property
    def needs(self) -> frozenset[Need]:
        """Those of all methods; behind a rotation, statistics are taken from the token sample. Blocks are not run: each method
        is fitted to one group at a time.
        """
        needs, mixed = set(), False
        for method in self.methods:
            statistics = method.needs - {Need.GRADIENTS, Need.BLOCKS}
            needs |= {Need.SAMPLE} if mixed and statistics else statistics
            needs |= method.needs & {Need.GRADIENTS}
            mixed |= getattr(method, "mixes", False)
        return frozenset(needs)

    @property
    def finds(self) -> frozenset[Part]:
        """What any of the methods finds."""
        return frozenset().union(*(parts_found(method) for method in self.methods))

    def matrices(self, role: str) -> int:
        """The most that one of the methods holds."""
        return max(method.matrices(role) if hasattr(method, "matrices") else 0 for method in self.methods)

    @property
    def holds(self) -> Holds:
        """The most that one of the methods holds; they learn one after the other."""
        found = [method.holds for method in self.methods if hasattr(method, "holds")]
        return Holds(max((one.weights for one in found), default=0), max((one.values for one in found), default=0))

    def options(self) -> dict[str, Any]:
        """The options of each method, its name and a dot before them."""
        return {f"{method.name}.{key}": value for method in self.methods for key, value in method.options().items()}

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError if one of the methods cannot honour `spec`."""
        for method in self.methods:
            method.check(spec)

    def survey(self, summaries: Mapping[str, ChannelSummary]) -> tuple[object | None, ...] | None:
        """What each method must know of all groups; None if none must.

        Raises:
            SpecError: a method looks at all groups, and one before it changes their bases, which are not known yet.
        """
        surveys, turned = [], None
        for method in self.methods:
            survey = method.survey(summaries)
            if survey is not None and turned is not None:
                raise SpecError(
                    f"{method.name} looks at all layers before it is fitted, and {turned} changes their bases: choose fields "
                    "with which it looks at one layer at a time, such as mask_scope=local."
                )
            surveys.append(survey)
            if Part.TRANSFORM in parts_found(method):
                turned = method.name
        return tuple(surveys) if any(survey is not None for survey in surveys) else None

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: tuple[object | None, ...] | None = None) -> GroupFit:
        """Fits each method in the basis that those before it have found; what was found for it alone there is not found again,
        and its seconds count."""
        surveys = survey or (None,) * len(self.methods)
        fits, given = [], inputs
        for method, known in zip(self.methods, surveys, strict=True):
            found = inputs.found.get((method, spec)) if given is inputs and known is None else None
            fits.append(found or method.fit(given, spec, known))
            given = in_basis(given, fits[-1].transform)
        weights, bounds = (self._of(part, fits) for part in (Part.WEIGHTS, Part.ACTIVATION))
        parts = {}
        for modality, own in bounds.by_modality.items():
            basis = composed([own.transform if fit is bounds else fit.transform for fit in fits])
            parts[modality] = replace(own, weights=own.weights if weights is bounds else weights.weights, transform=basis)
        return replace(
            bounds,
            weights=weights.weights,
            extra_weight_bits=weights.extra_weight_bits,
            transform=composed([fit.transform for fit in fits]),
            by_modality=parts,
            seconds=sum(fit.seconds for fit in fits),
        )

    def _of(self, part: Part, fits: list[GroupFit]) -> GroupFit:
        """The fit of the method that finds `part`; the last one, which is in the final basis, if none does."""
        finders = (fit for method, fit in zip(self.methods, fits, strict=True) if part in parts_found(method))
        return next(finders, fits[-1])


_WORDS = {Part.WEIGHTS: "weights", Part.ACTIVATION: "activation bounds"}
