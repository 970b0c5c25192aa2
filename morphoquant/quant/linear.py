"""QuantizedLinear: every method is this one composition with other parts.

y = (Q_a(T(x)) + residual) Q_w(W T^-1)^T + offset + b
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from torch import Tensor, nn

from morphoquant.core.errors import ModelError
from morphoquant.quant.activation import ActivationQuantizer
from morphoquant.quant.bypass import Bypass
from morphoquant.quant.transform import Transform


class Fit(Protocol):
    """What a method found for the linears that share one input."""

    @property
    def activation(self) -> ActivationQuantizer | None:
        """Quantiser of T(x), None for full precision."""

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Quantised weight in the transformed basis by layer name, [out, in]."""

    @property
    def correction(self) -> Bypass | None:
        """Sparse correction of the quantised input."""

    @property
    def transform(self) -> Transform:
        """Change of basis T."""


class QuantizedLinear(nn.Linear):
    """A linear layer that simulates quantised arithmetic in floating point.

    It stays an nn.Linear, so that models that look at `weight.dtype` and hooks that look for linears see what they expect.

    Args:
        linear: the layer it stands for; its bias is shared, with the transform's constant added to it.
        weight: quantised weight in the transformed basis [out, in].
        activation: quantiser of the input, None for full precision.
        correction: sparse correction, None for none.
        transform: change of basis, `Identity()` for none.
    """

    def __init__(
        self,
        linear: nn.Linear,
        weight: Tensor,
        activation: ActivationQuantizer | None,
        correction: Bypass | None,
        transform: Transform,
    ):
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        device = linear.weight.device
        self.weight = nn.Parameter(weight.to(device=device, dtype=linear.weight.dtype), requires_grad=False)
        self.bias = _bias(linear, transform)
        self.activation = None if activation is None else activation.to(device)
        self.correction = None if correction is None else correction.to(device)
        self.transform = transform.to(device)
        self.train(linear.training)

    def quantized_input(self, x: Tensor) -> Tensor:
        """What the weight is multiplied with: Q_a(T(x)) + residual [..., in]."""
        x = self.transform.input(x)
        if self.activation is None:
            return x
        xq = self.activation.quantize(x)
        return (xq if self.correction is None else self.correction.apply(x, xq)).to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.quantized_input(x), self.weight, self.bias)


def _bias(linear: nn.Linear, transform: Transform) -> nn.Parameter | None:
    offset = transform.offset(linear.weight.detach())
    if offset is None:
        return linear.bias
    total = offset if linear.bias is None else linear.bias.detach().to(offset.dtype) + offset
    return nn.Parameter(total.to(linear.weight.dtype), requires_grad=False)


@contextmanager
def quantized(
    model: nn.Module, fits: Mapping[str, Fit], *, weights: bool = True, activations: bool = True
) -> Iterator[nn.Module]:
    """Replaces the fitted linears of `model` inside the `with`, and puts the originals back, also after an error.

    Args:
        model: any module; it is changed in place.
        fits: the fit of each group, by group name.
        weights: uses the quantised weights, else the originals in the same basis.
        activations: quantises the inputs, else leaves them.

    Yields:
        The model.

    Raises:
        ModelError: a fitted layer is not an nn.Linear of this model or its weight has another shape.
    """
    replaced: list[tuple[nn.Module, str, nn.Module]] = []
    try:
        for fit in fits.values():
            for name, weight in fit.weights.items():
                parent, leaf, linear = _find(model, name)
                if weight.shape != linear.weight.shape:
                    raise ModelError(
                        f"the fit of {name!r} has a weight of shape {tuple(weight.shape)}, but this model's is "
                        f"{tuple(linear.weight.shape)}: fit the method to this model."
                    )
                used = weight if weights else fit.transform.weight(linear.weight.detach())
                inputs = (fit.activation, fit.correction) if activations else (None, None)
                setattr(parent, leaf, QuantizedLinear(linear, used, *inputs, fit.transform))
                replaced.append((parent, leaf, linear))
        yield model
    finally:
        for parent, leaf, linear in reversed(replaced):
            setattr(parent, leaf, linear)


def _find(model: nn.Module, name: str) -> tuple[nn.Module, str, nn.Linear]:
    prefix, _, leaf = name.rpartition(".")
    try:
        parent = model.get_submodule(prefix)
        linear = parent.get_submodule(leaf)
    except AttributeError:
        raise ModelError(f"this model has no layer {name!r}: fit the method to this model.") from None
    if not isinstance(linear, nn.Linear):
        raise ModelError(f"layer {name!r} is a {type(linear).__name__}, not a linear: only linear layers can be quantised.")
    return parent, leaf, linear
