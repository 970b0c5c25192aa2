"""Q-VLM: clip ratios of neighbouring layers searched together, where entropy says that they depend on each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, ChannelSummary, GroupFit, GroupInputs, Need
from morphoquant.methods.blocks import BlockInputs, Holds
from morphoquant.methods.columns import grid_columns
from morphoquant.methods.output_error import fit_error
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_least, require_range
from morphoquant.methods.rows import search_rows
from morphoquant.methods.rtn import RTN
from morphoquant.quant.threads import one_thread


@dataclass(frozen=True)
class QVLM(PlainMethod):
    """Searches one clip ratio a layer input, those of up to `depth` neighbours in turn on the output of their block.

    Idea: a range that is best for its own layer need not be best for what follows; where activations are spread evenly, errors
        are passed on, and ranges are worth searching together.

    Formula: min over r_1 .. r_d of mean |B(x) - B'(x')|^p, B' the block with the inputs of d neighbouring groups clipped to r_i
        of their range, of ratios 1, 0.9 .. 0.4. A group joins its predecessor if E = -mean_k log(mean x_k^2 / (mean|x_k|)^2) of
        its input is at least the mean of E so far.

    Needs: extremes, mean magnitude and moments of each channel, a token sample, and the whole sequences that a capture keeps.
    Cost: up to (1 + `sweeps`) x (`ratios` - 1) runs of a block for each of its groups, on `sequences` sequences; none at run
        time.
    Fails when: a few tokens or channels decide the output of a block, which p below 1 counts little. One ratio serves all
        channels of an input, so channels that need different clipping are not helped.

    Source: Wang et al. 2024, Q-VLM (arXiv 2410.08119): cross-layer dependency, and blocks of at most three layers by entropy.
        Our approximation: E is the collision entropy of a channel's magnitudes over tokens, from moments, in place of
        Shannon's; ratios are searched one group after the other and then in turn; a part ends with the decoder or encoder
        block that holds it, and errors are those of that block's output. Ranges are static: the published code takes those of
        the current sequence, and optimises the vision encoder, which is left out. Weights are those of the spec. Linears
        outside blocks, and all in a combination of methods, are searched alone on their outputs.

    Attributes:
        depth: groups searched together, at most.
        ratios: ratios tried, evenly spaced from 1 down to `low`.
        low: smallest ratio.
        power: p.
        sweeps: how often each ratio of a part is searched, at most.
        sequences: whole sequences that errors are measured on, at most.
        rows: sampled tokens that a group outside blocks is searched on, at most.
    """

    depth: int = 3
    ratios: int = 7
    low: float = 0.4
    power: float = 0.5
    sweeps: int = 2
    sequences: int = 4
    rows: int = 256

    name = "qvlm"
    # Weights rounded to nearest, and a run without gradients.
    holds = Holds()
    finds = frozenset({Part.ACTIVATION})

    @property
    def needs(self) -> frozenset[Need]:
        """The extremes, a sample and blocks to run; moments where groups may be joined."""
        needs = frozenset({Need.EXTREMES, Need.SAMPLE, Need.BLOCKS})
        return needs | {Need.MEAN_ABS, Need.MOMENTS} if self.depth > 1 else needs

    def __post_init__(self):
        require_range(self.name, "low", self.low, 0, 1, open_low=True)
        require_range(self.name, "power", self.power, 0, 4, open_low=True)
        require_least(self, 1, "depth", "ratios", "sweeps", "sequences", "rows")

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError unless activations, where quantised, have static ranges."""
        if spec.quantises_activations and not spec.static_activations:
            raise SpecError(
                f"qvlm clips static ranges of integers and cannot honour {str(spec)!r}: "
                "write it without a format or -token for activations, or use rtn."
            )

    def survey(self, summaries: Mapping[str, ChannelSummary]) -> dict[str, int] | None:
        """Part of each group: neighbours of one number may be searched together. None where none are."""
        if self.depth == 1:
            return None
        parts, sizes, seen = {}, [0], []
        for group, summary in summaries.items():
            seen.append(evenness(summary))
            joins = 0 < sizes[-1] < self.depth and seen[-1] >= np.mean(seen[:-1])
            if not joins:
                sizes.append(0)
            sizes[-1] += 1
            parts[group] = len(sizes) - 1
        return parts

    @one_thread()
    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: dict[str, int] | None = None) -> GroupFit:
        """Searches one group by the error of its outputs on the token sample."""
        self.check(spec)
        tried = self._candidates(inputs, spec)
        x, root = search_rows(inputs.sample, self.rows)
        if len(tried) == 1 or not len(x):
            return tried[0]
        return min(tried, key=lambda found: fit_error(found, inputs, x, root, self.power))

    @one_thread()
    def fit_block(self, block: BlockInputs, spec: QuantSpec, survey: dict[str, int] | None = None) -> dict[str, GroupFit]:
        """Searches the groups of a block part by part, each first one after the other, then together.

        Groups before are quantised as found, those after stay in full precision.
        """
        self.check(spec)
        tried = {group: self._candidates(inputs, spec) for group, inputs in block.groups.items()}
        nearest = {group: fits[0] for group, fits in tried.items()}
        if all(len(fits) == 1 for fits in tried.values()):
            return nearest
        few = replace(block, calls=_spread(block.calls, self.sequences))
        error = _Errors(few, self.power)
        found: dict[str, GroupFit] = {}
        for part in _neighbours(list(block.groups), survey):
            for group in part:
                found = self._descended(error, {**found, group: nearest[group]}, {group: tried[group]})
            if len(part) > 1:
                found = self._descended(error, found, {group: tried[group] for group in part})
        return found if error(found) < error(nearest) else nearest

    def _descended(
        self, error: "_Errors", found: dict[str, GroupFit], tried: Mapping[str, list[GroupFit]]
    ) -> dict[str, GroupFit]:
        """`found` with the best ratio of each group in `tried`, one at a time, until none is better than those there are."""
        for _ in range(self.sweeps if len(tried) > 1 else 1):
            before = found
            for group, fits in tried.items():
                found = min(({**found, group: one} for one in (found[group], *fits)), key=error)
            if found == before:
                break
        return found

    def _candidates(self, inputs: GroupInputs, spec: QuantSpec) -> list[GroupFit]:
        """The group rounded to nearest at each ratio, the whole range first; just that where activations stay as they are."""
        nearest = RTN().fit(inputs, spec)
        if not spec.quantises_activations:
            return [nearest]
        # Weights are the same at all ratios: 16 bits spare the rounding of them again.
        alone = replace(spec, w_bits=16, w_group=None, w_format="int")
        base = nearest.columns["low"], nearest.columns["high"]
        found = [nearest]
        for ratio in np.linspace(1, self.low, self.ratios)[1:].tolist():
            quantizer = RTN(clip=ratio).fit(inputs, alone).activation
            found.append(replace(nearest, activation=quantizer, columns=grid_columns(quantizer, base=base)))
        return found


class _Errors:
    """Errors of a block by the fits of its groups, each computed once."""

    def __init__(self, block: BlockInputs, power: float):
        self.block, self.power = block, power
        self.known: dict[tuple[int, ...], float] = {}

    def __call__(self, fits: dict[str, GroupFit]) -> float:
        # Fits are those of one list of candidates, which outlives this object.
        key = tuple(id(one) for one in fits.values())
        if key not in self.known:
            self.known[key] = self.block.error(fits, self.power)
        return self.known[key]


def evenness(summary: ChannelSummary) -> float:
    """Mean over channels of -log(mean x^2 / (mean|x|)^2), at most 0: how evenly a channel's magnitudes are spread over tokens.

    It is the collision entropy of p_t = |x_t| / sum|x|, less the logarithm of the number of tokens. Channels that are always
    zero are left out; 0 without any other.
    """
    square = np.square(summary.mean) + summary.m2 / np.maximum(summary.count, 1)
    alive = (summary.mean_abs > 0) & (square > 0)
    if not alive.any():
        return 0.0
    return float(np.minimum(2 * np.log(summary.mean_abs[alive]) - np.log(square[alive]), 0.0).mean())


def _neighbours(groups: Sequence[str], parts: Mapping[str, int] | None) -> list[list[str]]:
    """Groups that are searched together, in order; each alone without parts."""
    found: list[list[str]] = []
    for group in groups:
        if found and parts is not None and parts[group] == parts[found[-1][-1]]:
            found[-1].append(group)
        else:
            found.append([group])
    return found


def _spread(calls: Sequence, most: int) -> list:
    """At most `most` of the calls, evenly spaced."""
    if len(calls) <= most:
        return list(calls)
    return [calls[place] for place in torch.linspace(0, len(calls) - 1, most, dtype=torch.float64).round().int().tolist()]


METHODS.add("qvlm", QVLM)
