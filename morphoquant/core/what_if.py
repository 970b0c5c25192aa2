"""WhatIf: the settings of activation quantisation that can be tried on the histograms of a capture, without the model."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from morphoquant.core.errors import SpecError, UnknownNameError
from morphoquant.core.spec import ACTIVATION_GRANULARITIES

# name: smallest and largest value, whether the smallest itself is allowed
RANGES: dict[str, tuple[float, float, bool]] = {
    "bits": (2, 8, True),
    "clip": (0, 1, False),
    "low": (0, 1, False),
    "p": (0, 8, False),
    "cos": (0, 10, True),
    "sigma": (0, 10, True),
    "lam": (0, 4, True),
}


@dataclass(frozen=True)
class WhatIf:
    """How activations would be quantised; the defaults are plain rounding at 4 bits, the rest those of MorphoQuant's code.

    Attributes:
        bits: activation bit-width.
        granularity: "channel" or "tensor" for one static range a channel or a layer, "token" for one dynamic scale a token.
        clip: share of the range that the grid spans, where it is not searched.
        search: whether each channel's clip ratio is searched (MDQFO).
        low: smallest ratio that the search tries.
        p: exponent of the error that the search lowers (L_p).
        cos: weight of the cosine in the search, over the tokens of a channel; 0 for none.
        bypass: whether large values of outlier channels bypass the grid (DABC).
        sigma: standard deviations above the layer's mean score from which a channel is an outlier.
        lam: bypass threshold: values of outlier channels above this many times the edge bypass; at 0 all of them do.
        whole: whether all channels of down_proj inputs are outliers, as in the published code.
    """

    bits: int = 4
    granularity: str = "channel"
    clip: float = 1.0
    search: bool = False
    low: float = 0.6
    p: float = 3.0
    cos: float = 0.0
    bypass: bool = False
    sigma: float = 2.0
    lam: float = 0.8
    whole: bool = True

    def __post_init__(self):
        if self.granularity not in ACTIVATION_GRANULARITIES:
            raise UnknownNameError("granularity", self.granularity, ACTIVATION_GRANULARITIES)
        for name, (least, most, included) in RANGES.items():
            value = getattr(self, name)
            if not (least <= value if included else least < value) or not value <= most:
                allowed = f"from {least} to {most}" if included else f"above {least}, up to {most}"
                raise SpecError(f"{name} cannot be {value}: allowed are values {allowed}.")

    @property
    def places_channels(self) -> bool:
        """Whether anything needs one range a channel."""
        return self.search or self.bypass

    def check(self) -> None:
        """Raises SpecError if the parts do not go together."""
        if self.places_channels and self.granularity != "channel":
            one = "a layer" if self.granularity == "tensor" else "a token"
            raise SpecError(
                f"the clip search and the bypass place one range a channel and cannot be had with one range {one}: choose the "
                "granularity channel, or a fixed clip ratio without the bypass."
            )

    def written(self) -> dict[str, str]:
        """What differs from the defaults, as text."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name) != field.default}
        return {name: _text(value) for name, value in chosen.items()}

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> "WhatIf":
        """Inverse of `written`.

        Raises:
            UnknownNameError: no such setting.
            SpecError: a value that it cannot have.
        """
        kinds = {field.name: type(field.default) for field in fields(cls)}
        for name in texts:
            if name not in kinds:
                raise UnknownNameError("what-if setting", name, kinds)
        return cls(**{name: _value(name, kinds[name], text) for name, text in texts.items()})


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value) if isinstance(value, float) and float(f"{value:g}") != value else f"{value:g}" if _number(value) else value


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def _value(name: str, kind: type, text: str):
    if kind is bool:
        if text not in ("yes", "no"):
            raise SpecError(f"{name} cannot be {text!r}: allowed are yes and no.")
        return text == "yes"
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise SpecError(f"{name} cannot be {text!r}: expected {wanted}.") from None
