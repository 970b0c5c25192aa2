"""OmniQuant: weight clips and channel scales learned by gradient descent."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs, Need
from morphoquant.methods.omniquant_learning import Learned
from morphoquant.methods.output_error import fit_error
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_range
from morphoquant.methods.rows import search_rows
from morphoquant.methods.rtn import RTN
from morphoquant.methods.smoothquant import SmoothQuant
from morphoquant.quant.threads import one_thread

# SmoothQuant's alpha where scales begin; how often the error of what is learned is looked at.
ALPHA, LOOKS = 0.5, 4


@dataclass(frozen=True)
class OmniQuant(PlainMethod):
    """Learns by gradient where weights are clipped and how far input channels are scaled, on the error of the output.

    Idea: clips and scales that others search on a grid or set by a rule are parameters; descent through the rounding finds all
        of them together.

    Formula: min over s, g of |x W^T - Q(x / s) Q(clamp(W s, -c r, c r))^T|^2, c = sigmoid(g), r = max|W s| of each output
        channel or weight group; rounding passes gradients on unchanged.

    Needs: the extremes of each channel and a token sample.
    Cost: `steps` roundings of the weights and products of `batch` rows, forward and backward, a group; at run time the scale, as
        with SmoothQuant, and with `shift` a subtraction a value.
    Fails when: the sample is small against the parameters, which then fit its rows; where one static range a channel is in use,
        which no scale can help. The error of one group says nothing of errors that later layers cancel.

    Source: Shao et al. 2024, OmniQuant (arXiv 2308.13137): learnable weight clipping and equivalent transformation. By group, our
        approximation: the paper learns on the output of a whole block, through attention, from inputs quantised so far; a
        capture keeps rows and no sequences, so here it is the output of the linears of one group on full-precision inputs.
        100 steps at higher rates in place of about 2500; one clip for both signs, since weights are symmetric; the start is
        SmoothQuant or nothing, whichever has the smaller error, and the best of four looks at what is learned is taken, or
        the start.

    Attributes:
        scale: learns the scale of each channel.
        shift: learns a shift of each channel as well. It runs online: whether the producer has a bias is not known.
        clip: learns the clips.
        steps: of AdamW, without weight decay, the rate falling evenly to 0; 0 keeps the start.
        batch: rows of a step, drawn by their weights.
        clip_rate: learning rate of the clips g.
        scale_rate: learning rate of log s, and of the shift in mean deviations of the channel.
        rows: sampled tokens that are learned on, at most.
        seed: of the rows drawn.
    """

    scale: bool = True
    shift: bool = False
    clip: bool = True
    steps: int = 100
    batch: int = 64
    clip_rate: float = 0.1
    scale_rate: float = 0.02
    rows: int = 512
    seed: int = 0

    name = "omniquant"
    needs = frozenset({Need.EXTREMES, Need.SAMPLE})

    def __post_init__(self):
        for field in ("batch", "rows"):
            if getattr(self, field) < 1:
                raise SpecError(f"omniquant.{field} cannot be {getattr(self, field)}: allowed is 1 or more.")
        if self.steps < 0:
            raise SpecError(f"omniquant.steps cannot be {self.steps}: allowed is 0 or more.")
        for field in ("clip_rate", "scale_rate"):
            require_range(self.name, field, getattr(self, field), 0, 1, open_low=True)
        if not (self.scale or self.shift or self.clip):
            raise SpecError("omniquant learns nothing without scale, shift and clip: leave one of them on, or use rtn.")

    @property
    def finds(self) -> frozenset[Part]:
        """The scale or shift, and with clipping the weights."""
        found = {Part.TRANSFORM} if self.scale or self.shift else set()
        return frozenset(found | ({Part.WEIGHTS} if self.clip else set()))

    @one_thread()
    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        self.check(spec)
        nearest = RTN().fit(inputs, spec)
        x, root = search_rows(inputs.sample, self.rows)
        if not len(x) or not (spec.quantises_weights or spec.quantises_activations):
            return nearest
        starts = [(nearest, torch.ones(inputs.channels, dtype=torch.float64))]
        if self.scale:
            smooth = SmoothQuant(ALPHA)
            starts.append((smooth.fit(inputs, spec), smooth.transform(inputs, spec).scale))
        errors = [fit_error(start, inputs, x, root) for start, _ in starts]
        best = min(range(len(starts)), key=errors.__getitem__)
        start, scale = starts[best]
        least, found = errors[best], start
        for learned in self._learned(inputs, spec, scale, x, root):
            if (error := fit_error(learned, inputs, x, root)) < least:
                least, found = error, learned
        return found

    def _learned(self, inputs: GroupInputs, spec: QuantSpec, scale: Tensor, x: Tensor, root: Tensor) -> Iterator[GroupFit]:
        """What learning arrives at, looked at `LOOKS` times on the way."""
        shares = root.double().square()
        centre = (x * shares).sum(0)
        deviation = ((x - centre).abs() * shares).sum(0).float()
        learns = frozenset(one for one in ("scale", "shift", "clip") if getattr(self, one))
        learned = Learned(inputs, spec, scale, deviation, learns)
        rates = {"basis": self.scale_rate, "clips": self.clip_rate}
        groups = [{"params": some, "lr": rates[kind]} for kind, some in learned.parameters().items() if some]
        if not groups or not self.steps:
            return
        optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / self.steps)
        draw = torch.Generator().manual_seed(self.seed)
        looks = {self.steps - self.steps * look // LOOKS for look in range(LOOKS)}
        for step in range(1, self.steps + 1):
            rows = x[torch.multinomial(shares[:, 0], self.batch, replacement=True, generator=draw)]
            with torch.enable_grad():
                optimizer.zero_grad()
                learned.loss(rows).backward()
            optimizer.step()
            falling.step()
            if step in looks:
                yield learned.fit()


METHODS.add("omniquant", OmniQuant)
