"""QuantSpec: bit-widths, number format and granularity of weights and activations, read from short strings.

`w4a4` are 4-bit weights with one scale an output channel and 4-bit activations with one static range an input
channel (the baseline that the MorphoQuant paper calls naive W4A4). Suffixes change one thing each:

    -token    activations: one dynamic scale a token          -tensor   activations: one static range a layer
    -channel  activations: one static range a channel (default)
    -g128     weights: one scale for each 128 input channels  -nf4      weights: NF4, blocks of 64, double quantisation
    -mxfp4    a number format in place of integers, for weights and activations of that many bits: mxfp4, nvfp4 and hif4
              have 4, e4m3, e5m2 and hif8 have 8. `w4a8-mxfp4` has MXFP4 weights and integer activations.
    -wmxfp4   the same for weights alone                      -amxfp4   for activations alone: `w4a4-nf4-amxfp4`

Scales of such activations come from the token itself (quant/formats.py), so they take none of -token, -tensor, -channel.
"""

import re
from dataclasses import dataclass

from morphoquant.core.errors import SpecError

ACTIVATION_GRANULARITIES = ("channel", "token", "tensor")
# Bits of an element of each format; shared scales come on top.
FORMAT_BITS = {"nf4": 4, "mxfp4": 4, "nvfp4": 4, "hif4": 4, "e4m3": 8, "e5m2": 8, "hif8": 8}
# An element's part of the scales of its block, and of what scales these in turn; of a whole row or tensor it is nothing.
SCALE_BITS = {"nf4": 8 / 64 + 32 / (64 * 256), "mxfp4": 8 / 32, "nvfp4": 8 / 16, "hif4": (8 + 8 + 16) / 64}
_GROUP_SCALE_BITS = 16
WEIGHT_FORMATS = ("int", *FORMAT_BITS)
ACTIVATION_FORMATS = tuple(name for name in WEIGHT_FORMATS if name != "nf4")
FULL_PRECISION_BITS = 16

# How a spec is written, for the help of commands.
SPEC_FORM = f"w<bits>a<bits>[-g<group>][-<format>][-token|-tensor], formats {', '.join(FORMAT_BITS)}"

_EXPECTED = (
    "expected w<bits>a<bits> with bits from 2 to 8 or 16, then any of -g<group>, -token, -tensor, -channel and a format "
    f'({", ".join(f"-{name}" for name in FORMAT_BITS)}), for example "w4a4", "w4a8-g128" or "w4a4-nf4-token".'
)


@dataclass(frozen=True)
class QuantSpec:
    """How weights and activations are quantised; every method gets the same one.

    Attributes:
        w_bits: weight bit-width, 2 to 8, or 16 for none.
        a_bits: activation bit-width, 2 to 8, or 16 for none.
        a_granularity: "channel" (static), "token" (dynamic) or "tensor" (static) for integer activations; other formats have
            scales of their own and leave it at "channel".
        w_group: input channels that share a weight scale; absent for one scale an output channel.
        w_format: "int" (symmetric integer) or one of `FORMAT_BITS`.
        a_format: "int" or one of `FORMAT_BITS` but "nf4".
    """

    w_bits: int
    a_bits: int
    a_granularity: str = "channel"
    w_group: int | None = None
    w_format: str = "int"
    a_format: str = "int"

    def __post_init__(self):
        for side, bits in (("weight", self.w_bits), ("activation", self.a_bits)):
            if bits != FULL_PRECISION_BITS and not 2 <= bits <= 8:
                raise SpecError(f"cannot quantise to {bits} {side} bits: allowed are 2 to 8, or 16 for none; {_EXPECTED}")
        if self.a_granularity not in ACTIVATION_GRANULARITIES:
            raise SpecError(
                f"unknown activation granularity {self.a_granularity!r}: allowed are {', '.join(ACTIVATION_GRANULARITIES)}."
            )
        _check_format("weight", self.w_format, WEIGHT_FORMATS, self.w_bits)
        _check_format("activation", self.a_format, ACTIVATION_FORMATS, self.a_bits)
        if self.w_format != "int" and self.w_group is not None:
            raise SpecError(f"{self.w_format} weights have scales of their own: leave out -g{self.w_group}.")
        if self.a_format != "int" and self.a_granularity != "channel":
            raise SpecError(f"{self.a_format} activations have scales of their own: leave out -{self.a_granularity}.")
        if self.w_group is not None and (self.w_group < 1 or self.w_bits == FULL_PRECISION_BITS):
            raise SpecError(f"cannot use weight group size {self.w_group} with {self.w_bits}-bit weights: {_EXPECTED}")

    @classmethod
    def parse(cls, text: str) -> "QuantSpec":
        """Reads a spec such as "w4a8-g128".

        Raises:
            SpecError: the text is not a spec.
        """
        text = " ".join(text.split())  # errors stay on one line
        head, *suffixes = text.lower().split("-")
        found = re.fullmatch(r"w(\d{1,2})a(\d{1,2})", head)
        if not found:
            raise SpecError(f'cannot read quantisation spec "{text}": {_EXPECTED}')
        bits = {"w": int(found[1]), "a": int(found[2])}
        fields: dict = {}
        for suffix in suffixes:
            for key, value in _read(suffix, bits, text).items():
                if key in fields:
                    raise SpecError(
                        f'quantisation spec "{text}" says {key} twice: give each suffix once, and a format that is meant for '
                        "one side as -w<format> or -a<format>."
                    )
                fields[key] = value
        if "a_format" in fields and "a_granularity" in fields:
            name, granularity = fields["a_format"], fields["a_granularity"]
            raise SpecError(f'{name} activations have scales of their own: leave out -{granularity} in "{text}".')
        return cls(bits["w"], bits["a"], **fields)

    def __str__(self) -> str:
        text = f"w{self.w_bits}a{self.a_bits}"
        if self.w_group is not None:
            text += f"-g{self.w_group}"
        # One name stands for both sides where it is read so.
        sides = {side: name for side, name in (("w", self.w_format), ("a", self.a_format)) if name != "int"}
        bits = {"w": self.w_bits, "a": self.a_bits}
        for name in dict.fromkeys(sides.values()):
            meant = [side for side, other in sides.items() if other == name]
            text += f"-{name}" if meant == _sides(name, bits) else "".join(f"-{side}{name}" for side in meant)
        if self.a_granularity != "channel":
            text += f"-{self.a_granularity}"
        return text

    @property
    def quantises_weights(self) -> bool:
        """False at 16 bits."""
        return self.w_bits != FULL_PRECISION_BITS

    @property
    def bits_per_weight(self) -> float:
        """Storage of a weight with its part of the scales of groups and blocks."""
        group = _GROUP_SCALE_BITS / self.w_group if self.w_group else 0.0
        return self.w_bits + SCALE_BITS.get(self.w_format, group)

    @property
    def quantises_activations(self) -> bool:
        """False at 16 bits."""
        return self.a_bits != FULL_PRECISION_BITS

    @property
    def static_activations(self) -> bool:
        """Whether activations are quantised on grids fixed at calibration; else scales follow the data, or there are none."""
        return self.quantises_activations and self.a_format == "int" and self.a_granularity != "token"

    @property
    def activation_suffix(self) -> str:
        """The part of the text that says how activations are rounded, such as "-token"; empty for one range a channel."""
        if self.a_format == "int":
            return "" if self.a_granularity == "channel" else f"-{self.a_granularity}"
        short = f"-{self.a_format}"
        return short if short in str(self) else f"-a{self.a_format}"


def _check_format(side: str, name: str, allowed: tuple[str, ...], bits: int) -> None:
    if name not in allowed:
        raise SpecError(f"unknown {side} format {name!r}: allowed are {', '.join(allowed)}.")
    if name != "int" and bits != FORMAT_BITS[name]:
        raise SpecError(f"{name} has {FORMAT_BITS[name]} bits and cannot hold {bits}-bit {side}s: change the bits or the format.")


def _sides(name: str, bits: dict[str, int]) -> list[str]:
    """The sides that a format is for when the spec names none: those with that many bits."""
    return [side for side in ("w", "a") if bits[side] == FORMAT_BITS[name] and (side == "w" or name in ACTIVATION_FORMATS)]


def _read(suffix: str, bits: dict[str, int], text: str) -> dict:
    """The fields that one suffix sets."""
    group = re.fullmatch(r"g(\d{1,6})", suffix)
    if group:
        return {"w_group": int(group[1])}
    if suffix in ACTIVATION_GRANULARITIES:
        return {"a_granularity": suffix}
    name = suffix if suffix in FORMAT_BITS else suffix[1:]
    if name not in FORMAT_BITS or suffix[: -len(name)] not in ("", "w", "a"):
        raise SpecError(f'cannot read "-{suffix}" in quantisation spec "{text}": {_EXPECTED}')
    sides = _sides(name, bits) if suffix == name else [suffix[0]]
    if not sides:
        meant = "weights or activations" if name in ACTIVATION_FORMATS else "weights"
        raise SpecError(f'"-{name}" in "{text}" needs {meant} of {FORMAT_BITS[name]} bits: change the bits or the format.')
    return {f"{side}_format": name for side in sides}
