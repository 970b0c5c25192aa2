"""Weights of a group as the spec wants them: one function for all methods, so that a comparison compares activations."""

from torch import Tensor

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupInputs
from morphoquant.quant.formats import quantize_weight_in
from morphoquant.quant.threads import one_thread
from morphoquant.quant.weight import quantize_weight


@one_thread()
def fit_weights(inputs: GroupInputs, spec: QuantSpec) -> dict[str, Tensor]:
    """Rounds each weight to the nearest level of the spec's format.

    Args:
        inputs: the group.
        spec: "int" weights are symmetric, one scale an output channel or a group; other formats have scales of their own.

    Returns:
        Quantised weight by layer [out, K]; the very tensors of `inputs` at 16 bits.

    Raises:
        SpecError: the spec's group size does not divide the input channels.
    """
    if not spec.quantises_weights:
        return dict(inputs.weights)
    if spec.w_format != "int":
        return {layer: quantize_weight_in(spec.w_format, w.detach()) for layer, w in inputs.weights.items()}
    return {
        layer: quantize_weight(w.detach(), spec.w_bits, group=spec.w_group, layer=layer) for layer, w in inputs.weights.items()
    }
