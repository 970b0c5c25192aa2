"""The number formats of a spec by name: how weights, and how activations, are rounded to each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from morphoquant.quant.bypass import Bypass
from morphoquant.quant.fp8 import FP8_E4M3, FP8_E5M2
from morphoquant.quant.hif4 import HIF4
from morphoquant.quant.hif8 import HIF8
from morphoquant.quant.mxfp4 import MXFP4
from morphoquant.quant.nf4 import quantize_nf4
from morphoquant.quant.nvfp4 import nvfp4
from morphoquant.quant.scaled import ScaledFormat

_BOTH = {"e4m3": FP8_E4M3, "e5m2": FP8_E5M2, "hif8": HIF8, "mxfp4": MXFP4, "hif4": HIF4}
_WEIGHTS: dict[str, ScaledFormat] = {**_BOTH, "nvfp4": nvfp4("tensor")}
ACTIVATIONS: dict[str, ScaledFormat] = {**_BOTH, "nvfp4": nvfp4("row")}


def quantize_weight_in(name: str, w: Tensor) -> Tensor:
    """Weight [out, in] rounded to a format other than integers, "nf4" among them; no calibration."""
    return quantize_nf4(w) if name == "nf4" else _WEIGHTS[name].quantize(w)


@dataclass(frozen=True, eq=False)
class FormatQuantizer:
    """An activation quantiser in a format other than integers: its scales come from the token itself (dynamic).

    Attributes:
        name: of the format.
        bypass: values that a correction keeps in full precision; they are zero to their block, so that its scale fits the
            rest. The correction puts them back.
    """

    name: str
    bypass: Bypass | None = None

    def quantize(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.name].quantize(self._rest(x))

    def clipped(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.name].clipped(self._rest(x))

    def grid(self) -> None:
        return None

    def to(self, device: torch.device | str) -> "FormatQuantizer":
        return self if self.bypass is None else FormatQuantizer(self.name, self.bypass.to(device))

    def _rest(self, x: Tensor) -> Tensor:
        return x if self.bypass is None else x.masked_fill(self.bypass.bypassed(x), 0.0)
