"""The parameters that OmniQuant learns for one group, the losses they are learned on, and the fit that they mean."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupFit, GroupInputs
from morphoquant.methods.basis import in_basis, with_weights
from morphoquant.methods.blocks import BlockCall, BlockInputs
from morphoquant.methods.folding import scale_folds
from morphoquant.methods.rtn import RTN
from morphoquant.methods.straight_through import straight_through
from morphoquant.methods.weight_clip import clamped
from morphoquant.methods.weights import fit_weights
from morphoquant.quant.activation import ActivationQuantizer
from morphoquant.quant.channelwise import Scale, Shift
from morphoquant.quant.forwards import forward_as
from morphoquant.quant.transform import Transform, composed

# Where clips begin: the sigmoid of it is 0.982.
CLIP_START = 4.0


class Learned:
    """LWC and LET of one group.

        x' = (x - z) / s        W' = clamp(W s, -c r, c r)        c = sigmoid(g), r = max|W s| of a weight group

    z is learned in units of the channel's mean deviation, so that a rate means the same for all channels.

    Args:
        inputs: the group.
        spec: how input and weights are rounded.
        scale: s of each channel to begin with, float64 [K].
        deviation: mean magnitude of each channel about its mean, float32 [K].
        learns: which of "scale", "shift" and "clip" are learned; the others stay where they begin.
        shift_folds: whether what produces the input can take the shift.

    Attributes:
        log_scale: log s [K], float32.
        shift: z over the deviation of each channel [K], float32, 0 to begin with.
        clips: g of each output channel and weight group by layer, [out, groups, 1]; empty at 16 bits.
    """

    def __init__(
        self,
        inputs: GroupInputs,
        spec: QuantSpec,
        scale: Tensor,
        deviation: Tensor,
        learns: frozenset[str],
        shift_folds: bool = False,
    ):
        self.inputs, self.spec, self.deviation, self.learns = inputs, spec, deviation, learns
        self.shift_folds = shift_folds
        self.weights = {layer: w.detach().float() for layer, w in inputs.weights.items()}
        self.low, self.high = (torch.from_numpy(np.array(edge, np.float32)) for edge in (inputs.summary.min, inputs.summary.max))
        self.group = spec.w_group or inputs.channels
        self._known: tuple[Tensor, Tensor] | None = None
        self.log_scale = scale.log().float().requires_grad_("scale" in learns)
        self.shift = torch.zeros(inputs.channels, requires_grad="shift" in learns)
        self.clips = {
            layer: torch.full((len(w), w.shape[1] // self.group, 1), CLIP_START, requires_grad=True)
            for layer, w in self.weights.items()
            if "clip" in learns and spec.quantises_weights
        }
        # Rounds inputs as RTN does, without weights to round along with them.
        self._alone = replace(spec, w_bits=16, w_group=None, w_format="int")
        first, w = next(iter(self.weights.items()))
        self._narrow = GroupInputs(
            inputs.group, inputs.component, inputs.block, inputs.role, {first: w[:1]}, inputs.summary, inputs.sample
        )

    def parameters(self) -> dict[str, list[Tensor]]:
        """What is learned: "basis" and "clips"."""
        basis = [one for one in (self.log_scale, self.shift) if one.requires_grad]
        return {"basis": basis, "clips": list(self.clips.values())}

    def loss(self, x: Tensor) -> Tensor:
        """Squared error of the outputs of all linears over rows x [n, K], summed over outputs and averaged over rows."""
        used, error = self._input(x), x.new_zeros(())
        centred = x - self._shift()
        for layer, w in self.weights.items():
            error = error + (used @ self._weight(layer).T - centred @ w.T).square().sum()
        return error / len(x)

    def output(self, layer: str, x: Tensor) -> Tensor:
        """What one of the linears gives for x [..., K], without its bias [..., out]."""
        # Linears that share an input are given the same tensor.
        if self._known is None or self._known[0] is not x:
            self._known = x, self._input(x)
        return self._known[1] @ self._weight(layer).T + self._shift() @ self.weights[layer].T

    def forget(self) -> None:
        """Lets go of the last input, whose rounding holds for the parameters that it was computed with."""
        self._known = None

    def fit(self) -> GroupFit:
        """The fit of the parameters as they are now."""
        with torch.no_grad():
            transform = self._transform()
            turned = in_basis(self.inputs, transform)
            cut = {layer: clamped(w, self._reach(layer, w)) for layer, w in turned.weights.items()}
            found = RTN().fit(turned, self._alone)
            return replace(found, transform=transform, weights=fit_weights(with_weights(self.inputs, cut), self.spec))

    def _transform(self) -> Transform:
        scale, shift = self.log_scale.detach().double().exp(), self._shift().detach().double()
        parts: list[Transform] = [Shift(shift, self.shift_folds)] if "shift" in self.learns else []
        return composed([*parts, *([] if bool((scale == 1).all()) else [Scale(scale, scale_folds(self.inputs.role))])])

    def _shift(self) -> Tensor:
        return self.shift * self.deviation

    def _input(self, x: Tensor) -> Tensor:
        """The rounded input in the new basis [n, K]."""
        scale = self.log_scale.exp()
        turned = (x - self._shift()) / scale
        quantizer = self._quantizer()
        if quantizer is None:
            return turned
        exact = quantizer.quantize(turned.detach()).to(x.dtype)
        return straight_through(turned, exact, self._input_reach(turned, scale))

    def _quantizer(self) -> ActivationQuantizer | None:
        return RTN().fit(in_basis(self._narrow, self._transform()), self._alone).activation

    def _input_reach(self, turned: Tensor, scale: Tensor) -> Tensor | None:
        """What the input's grid spans; None in formats whose blocks have scales of their own."""
        if self.spec.a_format != "int":
            return None
        if self.spec.a_granularity == "token":
            return turned.abs().amax(-1, keepdim=True)
        shift = self._shift()
        reach = torch.maximum((self.low - shift).abs(), (self.high - shift).abs()) / scale
        return reach if self.spec.a_granularity == "channel" else reach.amax()

    def _weight(self, layer: str) -> Tensor:
        """The rounded weight in the new basis [out, K]."""
        w = self.weights[layer] * self.log_scale.exp()
        if not self.spec.quantises_weights:
            return w
        reach = self._reach(layer, w)
        with torch.no_grad():
            exact = fit_weights(with_weights(self.inputs, {layer: clamped(w, reach)}), self.spec)[layer]
        return straight_through(self._grouped(w), self._grouped(exact), reach).reshape(w.shape)

    def _reach(self, layer: str, w: Tensor) -> Tensor:
        """Magnitude at which each weight group is clipped [out, groups, 1]."""
        groups = self._grouped(w)
        # The gradient of a maximum goes to one place of its group: gathered, it need not be looked for again.
        reach = groups.gather(-1, groups.detach().abs().argmax(-1, keepdim=True)).abs()
        return reach * torch.sigmoid(self.clips[layer]).to(w.dtype) if layer in self.clips else reach

    def _grouped(self, w: Tensor) -> Tensor:
        return w.reshape(len(w), -1, self.group)


@contextmanager
def learning(block: BlockInputs, learned: Mapping[str, Learned]) -> Iterator[nn.Module]:
    """The block with its linears computing with what is learned, and without gradients for anything else; restored at the end."""
    with ExitStack() as stack:
        for parameter in block.module.parameters():
            stack.callback(parameter.requires_grad_, parameter.requires_grad)
            parameter.requires_grad_(False)
        for one in learned.values():
            stack.callback(one.forget)
            for layer in one.weights:
                linear = block.model.get_submodule(layer)
                stack.enter_context(forward_as(linear, partial(_forward, one, layer, linear.bias)))
        yield block.module


def block_loss(call: BlockCall, module: nn.Module) -> Tensor:
    """Squared error of a block's output on one sequence, summed over channels and averaged over tokens but padding."""
    off = (call.run(module, call.given) - call.wanted)[call.keep]
    return off.square().sum() / max(len(off), 1)


def _forward(learned: Learned, layer: str, bias: Tensor | None, x: Tensor) -> Tensor:
    y = learned.output(layer, x).to(x.dtype)
    return y if bias is None else y + bias
