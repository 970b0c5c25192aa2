"""QuantSpec: bit-widths, number format and granularity of weights and activations, read from short strings.

`w4a4` are 4-bit weights with one scale an output channel and 4-bit activations with one static range an input
channel (the baseline that the MorphoQuant paper calls naive W4A4). Suffixes change one thing each:

    -token    activations: one dynamic scale a token          -tensor   activations: one static range a layer
    -channel  activations: one static range a channel (default)
    -g128     weights: one scale for each 128 input channels  -nf4      weights: NF4, blocks of 64, double quantisation
"""

import re
from dataclasses import dataclass

from morphoquant.core.errors import SpecError

ACTIVATION_GRANULARITIES = ("channel", "token", "tensor")
WEIGHT_FORMATS = ("int", "nf4")
FULL_PRECISION_BITS = 16

_EXPECTED = (
    "expected w<bits>a<bits> with bits from 2 to 8 or 16, then any of -g<group>, -nf4, -token, -tensor, -channel,"
    ' for example "w4a4", "w4a8-g128" or "w4a4-nf4-token".'
)


@dataclass(frozen=True)
class QuantSpec:
    """How weights and activations are quantised; every method gets the same one.

    Attributes:
        w_bits: weight bit-width, 2 to 8, or 16 for none.
        a_bits: activation bit-width, 2 to 8, or 16 for none.
        a_granularity: "channel" (static), "token" (dynamic) or "tensor" (static).
        w_group: input channels that share a weight scale; absent for one scale an output channel.
        w_format: "int" (symmetric integer) or "nf4" (Dettmers et al. 2023, 4 bits only).
    """

    w_bits: int
    a_bits: int
    a_granularity: str = "channel"
    w_group: int | None = None
    w_format: str = "int"

    def __post_init__(self):
        for side, bits in (("weight", self.w_bits), ("activation", self.a_bits)):
            if bits != FULL_PRECISION_BITS and not 2 <= bits <= 8:
                raise SpecError(f"cannot quantise to {bits} {side} bits: allowed are 2 to 8, or 16 for none; {_EXPECTED}")
        if self.a_granularity not in ACTIVATION_GRANULARITIES:
            raise SpecError(
                f"unknown activation granularity {self.a_granularity!r}: allowed are {', '.join(ACTIVATION_GRANULARITIES)}."
            )
        if self.w_format not in WEIGHT_FORMATS:
            raise SpecError(f"unknown weight format {self.w_format!r}: allowed are {', '.join(WEIGHT_FORMATS)}.")
        if self.w_format == "nf4" and (self.w_bits != 4 or self.w_group is not None):
            raise SpecError("NF4 weights have 4 bits and blocks of 64 of their own: write w4a<bits>-nf4 without -g.")
        if self.w_group is not None and (self.w_group < 1 or self.w_bits == FULL_PRECISION_BITS):
            raise SpecError(f"cannot use weight group size {self.w_group} with {self.w_bits}-bit weights: {_EXPECTED}")

    @classmethod
    def parse(cls, text: str) -> "QuantSpec":
        """Reads a spec such as "w4a8-g128".

        Raises:
            SpecError: the text is not a spec.
        """
        head, *suffixes = text.strip().lower().split("-")
        found = re.fullmatch(r"w(\d{1,2})a(\d{1,2})", head)
        if not found:
            raise SpecError(f'cannot read quantisation spec "{text}": {_EXPECTED}')
        fields: dict = {}
        for suffix in suffixes:
            group = re.fullmatch(r"g(\d{1,6})", suffix)
            if group:
                key, value = "w_group", int(group[1])
            elif suffix in ACTIVATION_GRANULARITIES:
                key, value = "a_granularity", suffix
            elif suffix == "nf4":
                key, value = "w_format", suffix
            else:
                raise SpecError(f'cannot read "-{suffix}" in quantisation spec "{text}": {_EXPECTED}')
            if key in fields:
                raise SpecError(f'quantisation spec "{text}" says {key} twice: give each suffix once.')
            fields[key] = value
        return cls(int(found[1]), int(found[2]), **fields)

    def __str__(self) -> str:
        text = f"w{self.w_bits}a{self.a_bits}"
        if self.w_group is not None:
            text += f"-g{self.w_group}"
        if self.w_format != "int":
            text += f"-{self.w_format}"
        if self.a_granularity != "channel":
            text += f"-{self.a_granularity}"
        return text

    @property
    def quantises_weights(self) -> bool:
        """False at 16 bits."""
        return self.w_bits != FULL_PRECISION_BITS

    @property
    def quantises_activations(self) -> bool:
        """False at 16 bits."""
        return self.a_bits != FULL_PRECISION_BITS
