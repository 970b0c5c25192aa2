"""Which parts of a fit a method finds; the parts that it does not find are rounding to nearest."""

from enum import StrEnum


class Part(StrEnum):
    """A part of a group's fit."""

    TRANSFORM = "transform"
    WEIGHTS = "weights"
    ACTIVATION = "activation"  # the quantiser of the input, with its correction


def parts_found(method) -> frozenset[Part]:
    """The method's attribute `finds`; a method that has none finds the activation's quantiser."""
    return getattr(method, "finds", frozenset({Part.ACTIVATION}))
