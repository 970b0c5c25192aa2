"""EasyQuant: scales searched in turn for the cosine of the output."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs, Need
from morphoquant.methods.basis import with_weights
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_least, require_range
from morphoquant.methods.rows import search_rows
from morphoquant.methods.rtn import RTN
from morphoquant.methods.weight_clip import clamped, reach_of
from morphoquant.methods.weights import fit_weights


@dataclass(frozen=True)
class EasyQuant(PlainMethod):
    """Searches one clip ratio of the input's range and one of each output channel's weights, in turn.

    Idea: what counts is the direction of the output, so scales are judged by its cosine; each side is searched with the other
        side quantised.

    Formula: max over r of the mean over output channels of cos(x W^T, Q_r(x) Q(W)^T), first over the input's ratio, then over
        each output channel's, `rounds` times.

    Needs: a token sample; the extremes of each channel for static activation ranges.
    Cost: 2 x `rounds` x `ratios` roundings and products a group; none at run time.
    Fails when: channels of the input need different clipping: one ratio serves them all. When the sample is small against the
        number of outputs.

    Source: Wu et al. 2020, EasyQuant (arXiv 2006.16669): scales optimised in turn for the cosine. The paper also
        tries scales above the range, up to twice it, which clip nothing and round coarser; they are left out.

    Attributes:
        ratios: ratios tried on either side, evenly spaced from 1 down to `low`.
        low: smallest ratio.
        rounds: how often both sides are searched.
        rows: sampled tokens that cosines are measured on, at most.
    """

    ratios: int = 11
    low: float = 0.5
    rounds: int = 2
    rows: int = 256

    name = "easyquant"
    needs = frozenset({Need.EXTREMES, Need.SAMPLE})
    finds = frozenset({Part.WEIGHTS, Part.ACTIVATION})

    def __post_init__(self):
        require_range(self.name, "low", self.low, 0, 1, open_low=True)
        require_least(self, 1, "ratios", "rounds", "rows")

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        start = RTN().fit(inputs, spec)
        x, root = search_rows(inputs.sample, self.rows)
        if not len(x) or not (spec.quantises_weights or spec.quantises_activations):
            return start
        search = CosineSearch(
            inputs, spec, x, root, torch.linspace(1, self.low, self.ratios).tolist() if self.ratios > 1 else [1.0]
        )
        found, best = start, search.score(start)
        for _ in range(self.rounds):
            found = search.activation(found)
            found = search.weights(found)
        return found if search.score(found) > best else start


class CosineSearch:
    """The cosines of one group's outputs on the sample, and the two searches over them."""

    def __init__(self, inputs: GroupInputs, spec: QuantSpec, x: Tensor, root: Tensor, ratios: list[float]):
        self.inputs, self.spec, self.x, self.root, self.ratios = inputs, spec, x, root, ratios
        self.given = {layer: w.detach() for layer, w in inputs.weights.items()}
        self.exact = {layer: (x * root) @ w.to(x.dtype).T for layer, w in self.given.items()}

    def score(self, fit: GroupFit) -> float:
        """Mean cosine over the output channels of all linears."""
        used = self._used(fit)
        return float(torch.cat([self._cosines(used, layer, w) for layer, w in fit.weights.items()]).double().mean())

    def activation(self, fit: GroupFit) -> GroupFit:
        """The fit with the best ratio of the input's range; integer grids only."""
        if not self.spec.quantises_activations or self.spec.a_format != "int":
            return fit
        best, most = fit, self.score(fit)
        # Weights are those of `fit`: 16 bits spare the rounding of them again.
        alone = replace(self.spec, w_bits=16, w_group=None, w_format="int")
        for ratio in self.ratios:
            found = RTN(clip=ratio).fit(self.inputs, alone)
            tried = replace(fit, activation=found.activation, columns=found.columns)
            if (score := self.score(tried)) > most:
                best, most = tried, score
        return best

    def weights(self, fit: GroupFit) -> GroupFit:
        """The fit with the best ratio of each output channel's weights."""
        if not self.spec.quantises_weights:
            return fit
        used = self._used(fit)
        most = {layer: self._cosines(used, layer, w) for layer, w in fit.weights.items()}
        best = {layer: w.clone() for layer, w in fit.weights.items()}
        reach = {layer: reach_of(w, w.shape[1]) for layer, w in self.given.items()}
        for ratio in self.ratios:
            clipped = {layer: clamped(w, ratio * reach[layer]) for layer, w in self.given.items()}
            for layer, tried in fit_weights(with_weights(self.inputs, clipped), self.spec).items():
                cosines = self._cosines(used, layer, tried)
                better = cosines > most[layer]
                most[layer] = torch.where(better, cosines, most[layer])
                best[layer] = torch.where(better[:, None], tried, best[layer])
        return replace(fit, weights=best)

    def _used(self, fit: GroupFit) -> Tensor:
        rounded = self.x if fit.activation is None else fit.activation.quantize(self.x).to(self.x.dtype)
        return rounded * self.root

    def _cosines(self, used: Tensor, layer: str, weight: Tensor) -> Tensor:
        """Cosine of each output channel to full precision [out]; 1 for one that is zero on both sides."""
        exact, output = self.exact[layer], used @ weight.to(used.dtype).T
        norms = exact.norm(dim=0) * output.norm(dim=0)
        both = (exact == output).all(0)
        return torch.where(both, 1.0, (exact * output).sum(0) / norms.clamp_min(torch.finfo(norms.dtype).tiny))


METHODS.add("easyquant", EasyQuant)
