"""Integer quantisation of weights: one symmetric or asymmetric scale a tensor, an output channel or a group of inputs."""

from torch import Tensor

from morphoquant.core.errors import SpecError
from morphoquant.quant.grid import asymmetric_grid, symmetric_grid


def quantize_weight(
    w: Tensor,
    bits: int,
    *,
    group: int | None = None,
    per_tensor: bool = False,
    symmetric: bool = True,
    restricted: bool = False,
    clip: float = 1.0,
    layer: str = "weight",
) -> Tensor:
    """Rounds each weight to its nearest level; no calibration.

    Args:
        w: weight [out, in].
        bits: bit-width, 2 to 8.
        group: input channels that share a scale; absent for one scale an output channel.
        per_tensor: one scale for all of `w`.
        symmetric: symmetric signed grid, else asymmetric with zero kept inside.
        restricted: symmetric levels without the lowest code.
        clip: the range is multiplied by it before the step is computed.
        layer: name for the error message.

    Returns:
        The quantised weight [out, in] in float.

    Raises:
        SpecError: `group` does not divide the input channels.
    """
    out_features, in_features = w.shape
    if per_tensor:
        rows = w.reshape(1, -1)
    elif group is None:
        rows = w
    elif in_features % group:
        raise SpecError(
            f"cannot quantise the weight of {layer} in groups of {group}: it has {in_features} input channels; "
            f"choose a group size that divides {in_features}, or leave out -g."
        )
    else:
        rows = w.reshape(out_features * (in_features // group), group)
    if symmetric:
        grid = symmetric_grid(rows.abs().amax(-1, keepdim=True) * clip, bits, restricted)
    else:
        grid = asymmetric_grid(rows.amin(-1, keepdim=True) * clip, rows.amax(-1, keepdim=True) * clip, bits)
    return grid.quantize(rows).to(w.dtype).reshape(w.shape)
