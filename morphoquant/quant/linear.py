"""QuantizedLinear: every method is this one composition with other parts.

y = (Q_a(T(x)) + residual) Q_w(W T^-1)^T + T(x) A R + offset + b

A fit may treat the rows of some modalities as other fits say. Which rows these are the layer cannot see: whoever runs the model
tells it before each forward (`hooks/row_labels.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from torch import Tensor, nn

from morphoquant.core.errors import ModelError
from morphoquant.core.modality import Modality
from morphoquant.quant.activation import ActivationQuantizer
from morphoquant.quant.by_modality import split_rows
from morphoquant.quant.bypass import Bypass
from morphoquant.quant.experts import take_apart
from morphoquant.quant.low_rank import LowRank
from morphoquant.quant.residence import HALF, is_stand_in, resident, stand_in, weight_of, widened
from morphoquant.quant.transform import Transform, working_type


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

    @property
    def branches(self) -> Mapping[str, LowRank]:
        """Low-rank branch by layer name, of the layers that have one."""

    @property
    def by_modality(self) -> Mapping[Modality, "Fit"]:
        """Fits of the rows of some modalities; all other rows are quantised as this fit says."""


class QuantizedLinear(nn.Linear):
    """A linear layer that simulates quantised arithmetic in floating point.

    It stays an nn.Linear, so that models that look at `weight.dtype` and hooks that look for linears see what they expect. In a
    model of half precision it calculates in float32, as methods are fitted and their errors measured, and rounds its output.

    Args:
        linear: the layer it stands for; its bias is shared, with the transform's constant added to it.
        weight: what gives the quantised weight in the transformed basis [out, in]. It is asked at each forward, so that weights
            may lie in files; where it gives what stands in for the layer's own (`residence.stand_in`), the layer is asked.
        activation: quantiser of the input, None for full precision.
        correction: sparse correction, None for none.
        transform: change of basis, `Identity()` for none.
        branch: low-rank branch, None for none.
        by_modality: layers that stand for the same linear and take the rows of some modalities.

    Attributes:
        slots: labels of the rows that come next, int8 [rows]; used up by the forward. Read only where there is `by_modality`.
    """

    def __init__(
        self,
        linear: nn.Linear,
        weight: Callable[[], Tensor],
        activation: ActivationQuantizer | None,
        correction: Bypass | None,
        transform: Transform,
        branch: LowRank | None = None,
        by_modality: Mapping[Modality, "QuantizedLinear"] | None = None,
    ):
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        device, self.kind = linear.weight.device, linear.weight.dtype
        self._used = partial(weight_of, linear) if is_stand_in(weight()) else _like(weight, linear)
        # Of the type and shape that a model expects to see, and of no number.
        self.weight = nn.Parameter(stand_in(linear.weight.detach()), requires_grad=False)
        self.bias = _bias(linear, transform)
        self.activation = None if activation is None else activation.to(device)
        self.correction = None if correction is None else correction.to(device)
        self.transform = transform.to(device)
        self.branch = None if branch is None else branch.to(device)
        # A plain mapping: as children they would be linears of the model to all who look for those.
        self.by_modality = dict(by_modality or {})
        self.slots: Tensor | None = None
        self.train(linear.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.by_modality:
            return self._one(x)
        rows = x.reshape(-1, x.shape[-1])
        out = rows.new_empty(len(rows), self.out_features, dtype=self.kind)
        for modality, places in split_rows(self._labels(len(rows)), self.by_modality):
            layer = self if modality is None else self.by_modality[modality]
            out[places] = layer._one(rows[places])
        return out.reshape(*x.shape[:-1], self.out_features)

    def _one(self, x: Tensor) -> Tensor:
        x = self.transform.input(widened(x))
        y = nn.functional.linear(self._rounded(x), self._used(), None if self.bias is None else widened(self.bias))
        return (y if self.branch is None else y + self.branch.output(x)).to(self.kind)

    def _rounded(self, x: Tensor) -> Tensor:
        if self.activation is None:
            return x
        xq = self.activation.quantize(x)
        return (xq if self.correction is None else self.correction.apply(x, xq)).to(x.dtype)

    def _labels(self, rows: int) -> Tensor:
        slots, self.slots = self.slots, None
        if slots is None or len(slots) != rows:
            told = "nobody told it" if slots is None else f"it was told of {len(slots)} rows and not of {rows}"
            raise ModelError(
                f"a layer quantises {', '.join(self.by_modality)} unlike other rows, and which rows these are {told}: run the "
                "model inside runs.quantised_model.quantised_model, or choose a method that treats all rows alike."
            )
        return slots


def _like(weight: Callable[[], Tensor], linear: nn.Linear) -> Callable[[], Tensor]:
    """`weight`, or where it is of another type than the layer calculates with or elsewhere, what it was brought to once."""
    own, given = linear.weight, weight()
    brought = given.to(own.device, given.dtype if own.dtype in HALF else own.dtype)
    return weight if brought is given else lambda: brought


def _bias(linear: nn.Linear, transform: Transform) -> nn.Parameter | None:
    offset = transform.offset(linear.weight.detach())
    if offset is None:
        return linear.bias
    total = offset if linear.bias is None else linear.bias.detach().to(offset.dtype) + offset
    return nn.Parameter(total.to(working_type(linear.weight)), requires_grad=False)


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
    together = take_apart(model)
    try:
        for fit in fits.values():
            for name, weight in fit.weights.items():
                parent, leaf, linear = _find(model, name)
                if weight.shape != linear.weight.shape:
                    raise ModelError(
                        f"the fit of {name!r} has a weight of shape {tuple(weight.shape)}, but this model's is "
                        f"{tuple(linear.weight.shape)}: fit the method to this model."
                    )
                with resident(getattr(linear, "fused", linear)):
                    setattr(parent, leaf, _layer(linear, name, fit, weights, activations))
                replaced.append((parent, leaf, linear))
        yield model
    finally:
        for parent, leaf, linear in reversed(replaced):
            setattr(parent, leaf, linear)
        together()


def _layer(linear: nn.Linear, name: str, fit: Fit, weights: bool, activations: bool) -> QuantizedLinear:
    exact = None if weights else fit.transform.weight(widened(linear.weight.detach()))
    branch = fit.branches.get(name) if weights else None
    inputs = (fit.activation, fit.correction) if activations else (None, None)
    parts = {modality: _layer(linear, name, part, weights, activations) for modality, part in fit.by_modality.items()}
    return QuantizedLinear(linear, lambda: fit.weights[name] if exact is None else exact, *inputs, fit.transform, branch, parts)


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
