"""A spec as llm-compressor's arguments: what is quantised to how many bits, with which scales.

Source: `QuantizationArgs` and `QuantizationScheme` of compressed-tensors 0.19.0, with which llm-compressor 0.14.0.1 comes. Its
symmetric integers have the step 2 max|x| / (2^bits - 1), the "range" grid of this project (`quant/grid.py`); inputs of a layer
have one scale, or one a token, never one a channel.
"""

from typing import Any

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.spec import QuantSpec

VERSION = "llm-compressor 0.14.0.1"
Args = dict[str, Any]
CAN = (
    "what can are rtn, zeroquant, gptq, smoothquant, awq, quarot and combinations of these, in integers with -token, -tensor or "
    "16-bit activations, or in mxfp4, nvfp4 or e4m3"
)


class RecipeError(MorphoQuantError):
    """A run that llm-compressor has no counterpart for.

    Args:
        what: names the part that it has not, and why.
    """

    def __init__(self, what: str):
        super().__init__(f"this cannot be a recipe: {what}; it is simulated here only, and {CAN}.")


_FLOATS: dict[str, Args] = {
    "mxfp4": dict(num_bits=4, type="float", strategy="group", group_size=32, scale_dtype="torch.uint8"),
    "nvfp4": dict(num_bits=4, type="float", strategy="tensor_group", group_size=16, scale_dtype="torch.float8_e4m3fn"),
    "e4m3": dict(num_bits=8, type="float"),
}


def weight_args(spec: QuantSpec, group: int | None = None) -> Args | None:
    """Arguments for the weights; absent at 16 bits.

    Args:
        spec: of the layer.
        group: input channels that share a scale, where a method sets them and the spec does not.

    Raises:
        RecipeError: the format is not in compressed-tensors.
    """
    if not spec.quantises_weights:
        return None
    if spec.w_format != "int":
        args = _float("weights", spec.w_format)
        return {"strategy": "channel", **args, "symmetric": True, "dynamic": False}
    size = spec.w_group or group
    scales = dict(strategy="group", group_size=size) if size else dict(strategy="channel")
    return dict(num_bits=spec.w_bits, type="int", **scales, symmetric=True, dynamic=False)


def input_args(spec: QuantSpec, symmetric: bool = True) -> Args | None:
    """Arguments for the inputs; absent at 16 bits.

    Raises:
        RecipeError: the format or the granularity is not in compressed-tensors.
    """
    if not spec.quantises_activations:
        return None
    if spec.a_format == "nvfp4":
        return _float("activations", "nvfp4") | dict(symmetric=True, dynamic="local", observer="static_minmax")
    if spec.a_format != "int":
        return {"strategy": "token", **_float("activations", spec.a_format), "symmetric": True, "dynamic": True}
    if spec.a_granularity == "channel":
        raise RecipeError(f"{str(spec)!r} has one static range for each input channel, and llm-compressor has none")
    integers = dict(num_bits=spec.a_bits, type="int", strategy=spec.a_granularity, symmetric=symmetric)
    # Of all calibration data, as here; the package's own default is a moving average.
    return integers | (dict(dynamic=True) if spec.a_granularity == "token" else dict(dynamic=False, observer="static_minmax"))


def remarks(spec: QuantSpec, grid: str) -> list[str]:
    """What the package's scales do otherwise than those of the run, in sentences."""
    said = []
    ours = spec.w_format == "int" and spec.quantises_weights
    if ours or (spec.a_format == "int" and spec.quantises_activations and grid == "symmetric"):
        said.append("Symmetric integer steps are 2 max / (2^bits - 1) there and max / (2^(bits - 1) - 1) in the run.")
    if spec.a_format == "nvfp4":
        said.append(
            "NVFP4 inputs share one scale above those of the blocks over the calibration data there, over a token in the run."
        )
    return said


def _float(side: str, name: str) -> Args:
    if name not in _FLOATS:
        raise RecipeError(f"compressed-tensors has no {name} {side}")
    return dict(_FLOATS[name])
