"""OmniQuant: weight clips and channel scales learned by gradient descent."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs, Need
from morphoquant.methods.blocks import BlockInputs, Holds
from morphoquant.methods.omniquant_learning import Learned, block_loss, learning
from morphoquant.methods.output_error import fit_error
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_least, require_range
from morphoquant.methods.rows import search_rows
from morphoquant.methods.rtn import RTN
from morphoquant.methods.smoothquant import SmoothQuant
from morphoquant.quant.threads import one_thread

# SmoothQuant's alpha where scales begin; how often the error of what is learned is looked at.
ALPHA, LOOKS = 0.5, 2


@dataclass(frozen=True)
class OmniQuant(PlainMethod):
    """Learns by gradient where weights are clipped and how far input channels are scaled, on the error of the output.

    Idea: clips and scales that others search on a grid or set by a rule are parameters; descent through the rounding finds all
        of them together.

    Formula: min over s, g of |B(x) - B'(x')|^2, B a block, B' the same with Q(x / s) Q(clamp(W s, -c r, c r))^T in place of
        x W^T, x' what the quantised blocks before it leave; c = sigmoid(g), r = max|W s| of each output channel or weight
        group. Rounding passes gradients on unchanged.

    Needs: the extremes of each channel, a token sample, and by block the whole sequences that a capture keeps.
    Cost: `steps` roundings of all weights, and as many runs of each block forward and backward on one sequence, or by group of
        its linears on `batch` rows; at run time the scale, as with SmoothQuant, and a shift that does not fold.
    Fails when: sequences are few against the parameters, which then fit them; where one static range a channel is in use, which
        no scale can help. The error of one block says nothing of errors that later blocks cancel.

    Source: Shao et al. 2024, OmniQuant (arXiv 2308.13137): learnable weight clipping and equivalent transformation, on block
        outputs. Here 100 steps at higher rates in place of about 2500, on the 16 sequences at most that a capture keeps in
        place of 128; one clip for both signs, since weights are symmetric; s as its logarithm, for every group, none between q
        and k; a tower's first block gets inputs in full precision. The start is SmoothQuant or nothing, whichever has the
        smaller error in a group, and the best of the start and two looks at what is learned is taken. Linears outside blocks,
        and all in a combination of methods, are learned by group, our approximation.

    Attributes:
        by: "block" learns all groups of a block on its output, "group" each on the output of its linears on the token sample,
            with inputs in full precision.
        scale: learns the scale of each channel.
        shift: learns a shift of each channel, "folds" where a LayerNorm's bias in the same block can take it, "always" for all
            groups, online where none is known to.
        clip: learns the clips.
        steps: of AdamW, without weight decay, the rate falling evenly to 0; 0 keeps the start.
        batch: rows of a step by group, drawn by their weights.
        clip_rate: learning rate of the clips g.
        scale_rate: learning rate of log s, and of the shift in mean deviations of the channel.
        rows: sampled tokens that a group is learned on, at most.
        seed: of the sequences or rows drawn.
    """

    by: Literal["block", "group"] = "block"
    scale: bool = True
    shift: Literal["folds", "always", "never"] = "folds"
    clip: bool = True
    steps: int = 100
    batch: int = 64
    clip_rate: float = 0.1
    scale_rate: float = 0.02
    rows: int = 512
    seed: int = 0

    name = "omniquant"
    # Weights of three fits that are compared, and, as autograd keeps them, scaled, rounded, and passed on. Values as they are, in
    # the new basis, and rounded, and outputs.
    holds = Holds(weights=6, values=4)

    @property
    def needs(self) -> frozenset[Need]:
        """The extremes and a sample, and blocks to run."""
        needs = frozenset({Need.EXTREMES, Need.SAMPLE})
        return needs | {Need.BLOCKS} if self.by == "block" else needs

    def __post_init__(self):
        require_least(self, 1, "batch", "rows")
        require_least(self, 0, "steps", "seed")
        for field in ("clip_rate", "scale_rate"):
            require_range(self.name, field, getattr(self, field), 0, 1, open_low=True)
        if not (self.scale or self.clip) and self.shift == "never":
            raise SpecError("omniquant learns nothing without scale, shift and clip: leave one of them on, or use rtn.")

    @property
    def finds(self) -> frozenset[Part]:
        """The scale or shift, and with clipping the weights."""
        found = {Part.TRANSFORM} if self.scale or self.shift != "never" else set()
        return frozenset(found | ({Part.WEIGHTS} if self.clip else set()))

    @one_thread()
    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        """Learns one group by the error of its outputs on the token sample."""
        self.check(spec)
        x, root = search_rows(inputs.sample, self.rows)
        start, scale = self._start(inputs, spec, x, root)
        if not len(x) or not (spec.quantises_weights or spec.quantises_activations):
            return start
        learned = Learned(inputs, spec, scale, _deviation(x, root), self._learns())
        draw, shares = torch.Generator().manual_seed(self.seed), root[:, 0].double().square()

        def loss() -> Tensor:
            return learned.loss(x[torch.multinomial(shares, self.batch, replacement=True, generator=draw)])

        fits = (learned.fit() for _ in self._looks([learned], loss))
        return _best([start], fits, lambda found: fit_error(found, inputs, x, root))

    @one_thread()
    def fit_block(self, block: BlockInputs, spec: QuantSpec, survey: object | None = None) -> dict[str, GroupFit]:
        """Learns all groups of a block together by the error of its output."""
        self.check(spec)
        nearest = {group: RTN().fit(inputs, spec) for group, inputs in block.groups.items()}
        if not (spec.quantises_weights or spec.quantises_activations):
            return nearest
        folding = block.behind_biases()
        starts, learned = {}, {}
        for group, inputs in block.groups.items():
            x, root = search_rows(inputs.sample, self.rows)
            starts[group], scale = self._start(inputs, spec, x, root)
            folds = group in folding
            learned[group] = Learned(inputs, spec, scale, _deviation(x, root), self._learns(folds), shift_folds=folds)
        draw = torch.Generator().manual_seed(self.seed)

        def loss() -> Tensor:
            call = block.calls[int(torch.randint(len(block.calls), (), generator=draw))]
            with learning(block, learned) as module:
                return block_loss(call, module)

        fits = ({group: one.fit() for group, one in learned.items()} for _ in self._looks([*learned.values()], loss))
        return _best([starts, nearest], fits, block.error)

    def _learns(self, folds: bool = False) -> frozenset[str]:
        """What is learned of a group, before which a shift folds or not."""
        shift = self.shift == "always" or (self.shift == "folds" and folds)
        return frozenset(one for one, learns in (("scale", self.scale), ("shift", shift), ("clip", self.clip)) if learns)

    def _start(self, inputs: GroupInputs, spec: QuantSpec, x: Tensor, root: Tensor) -> tuple[GroupFit, Tensor]:
        """The better of rounding to nearest and SmoothQuant on the token sample, and its scale [K]."""
        nearest, none = RTN().fit(inputs, spec), torch.ones(inputs.channels, dtype=torch.float64)
        if not (self.scale and len(x) and (spec.quantises_weights or spec.quantises_activations)):
            return nearest, none
        smooth = SmoothQuant(ALPHA).fit(inputs, spec)
        better = fit_error(smooth, inputs, x, root) < fit_error(nearest, inputs, x, root)
        return (smooth, smooth.transform.scale) if better else (nearest, none)

    def _looks(self, learned: list[Learned], loss: Callable[[], Tensor]) -> Iterator[int]:
        """Takes all steps down `loss`; yields after `LOOKS` of them, evenly spaced, the last one included."""
        found = [one.parameters() for one in learned]
        rates = {"basis": self.scale_rate, "clips": self.clip_rate}
        groups = [{"params": [p for one in found for p in one[kind]], "lr": rate} for kind, rate in rates.items()]
        groups = [group for group in groups if group["params"]]
        if not groups or not self.steps:
            return
        optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / self.steps)
        looks = {self.steps - self.steps * look // LOOKS for look in range(LOOKS)}
        for step in range(1, self.steps + 1):
            with torch.enable_grad():
                optimizer.zero_grad()
                loss().backward()
            optimizer.step()
            falling.step()
            if step in looks:
                yield step


def _deviation(x: Tensor, root: Tensor) -> Tensor:
    """Mean magnitude of each channel about its mean, float32 [K]; 0 without rows."""
    shares = root.double().square()
    return ((x - (x * shares).sum(0)).abs() * shares).sum(0).float()


def _best(starts: Sequence[Any], learned: Iterable[Any], error: Callable[[Any], float]) -> Any:
    """What has the smallest error; of equals the first."""
    found, least = starts[0], error(starts[0])
    for one in chain(starts[1:], learned):
        if (here := error(one)) < least:
            found, least = one, here
    return found


METHODS.add("omniquant", OmniQuant)
