"""MASQuant: smoothing scales of each modality, and one stored weight with low-rank branches for all but text."""

from dataclasses import dataclass, replace

from morphoquant.core.errors import SpecError
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs, Need
from morphoquant.methods.basis import in_basis
from morphoquant.methods.compensation import compensation, whitening
from morphoquant.methods.folding import scale_folds
from morphoquant.methods.modalities import apart
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_range
from morphoquant.methods.rows import search_rows
from morphoquant.methods.rtn import RTN
from morphoquant.methods.smoothquant import SmoothQuant
from morphoquant.quant.channelwise import Scale
from morphoquant.quant.threads import one_thread

# Sampled tokens of a modality that its branch is fitted to, at most.
ROWS = 2048


@dataclass(frozen=True)
class MASQuant(PlainMethod):
    """Smooths each modality with a scale of its own; the weight is stored for text, and a low-rank branch makes up for the rest.

    Idea: one scale for all is set by the modality with the widest channels and leaves the others worse off. Scales of their own
        would need a weight each; the weights differ by little in the directions that a modality uses.

    Formula: s^m_k = max_{t in m}|x_tk|^alpha / max_n|W_nk|^(1-alpha); B = Q(W diag s^text); a row of m becomes u = x / s^m and
        y = Q(u) B^T + u A_m R_m, where A_m R_m is the best approximation of (W diag s^m - B)^T of its rank over the rows of m.

    Needs: the extremes of each channel by modality; with a branch or a search a token sample.
    Cost: for each modality but text an eigenvalue decomposition of K x K and a singular value decomposition a linear; at run time
        a product of `rank` in 16 bits, and a division of every value by the scale of its row's modality, which must be known.
    Fails when: modalities that were not calibrated come, which are taken for text; when text is wide and the weights of others
        are far from its own; when the sample holds fewer rows of a modality than the branch has directions.

    Source: MASQuant (arXiv 2603.04800): modality-aware smoothing from its starting scales, tied over linears that share an input,
        and its cross-modal compensation. The training of the scales block by block is not part of this; `search` takes its place.
        down_proj is treated like all others.

    Attributes:
        rank: of the branches, as a share of the smaller side of the weight, or above 1 as a number; 0 stores a quantised weight
            for each modality instead.
        alpha: share of the width that goes to the weight, from 0 to 1.
        search: takes for each modality the alpha with the smallest error of its rows, as `smoothquant` does.
    """

    rank: float = 0.05
    alpha: float = 0.5
    search: bool = False

    name = "masquant"
    finds = frozenset({Part.TRANSFORM, Part.WEIGHTS, Part.ACTIVATION})

    def __post_init__(self):
        require_range(self.name, "alpha", self.alpha, 0, 1)
        if not (self.rank >= 0 and (self.rank <= 1 or float(self.rank).is_integer())):
            raise SpecError(f"masquant.rank cannot be {self.rank}: allowed are shares from 0 to 1 and whole numbers above.")

    @property
    def needs(self) -> frozenset[Need]:
        """Statistics by modality, and rows for branches and search."""
        return frozenset({Need.MODALITIES, Need.SAMPLE} if self.rank or self.search else {Need.MODALITIES})

    def matrices(self, role: str) -> int:
        """Of a branch: second moments, their eigenvectors with what finding them takes, and the whitening and its inverse."""
        return 6 if self.rank else 0

    @one_thread()
    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        """Fits the rows of each modality as if there were no other, then puts branches in place of all weights but one."""
        if not (spec.quantises_weights or spec.quantises_activations):
            return RTN().fit(inputs, spec)
        present = apart(inputs, sample=Need.SAMPLE in self.needs)
        if len(present) < 2:
            return self._smoothed(next(iter(present.values()), inputs), spec, scale_folds(inputs.role))
        # Rows of no modality of their own count as text; where there is none, as everything together.
        base = self._smoothed(present.get(Modality.TEXT, inputs), spec, False)
        parts = {}
        for modality, given in present.items():
            if modality is not Modality.TEXT:
                found = self._smoothed(given, spec, False)
                parts[modality] = self._stored_apart(found, spec) if self.rank == 0 else self._compensated(found, base, given)
        return replace(base, columns=None, by_modality=parts)

    def _smoothed(self, inputs: GroupInputs, spec: QuantSpec, folds: bool) -> GroupFit:
        scale = Scale(SmoothQuant(self.alpha, self.search).transform(inputs, spec).scale, folds)
        return replace(RTN().fit(in_basis(inputs, scale), spec), transform=scale)

    def _stored_apart(self, found: GroupFit, spec: QuantSpec) -> GroupFit:
        bits = sum(w.numel() for w in found.weights.values()) * float(spec.w_bits)
        return replace(found, columns=None, extra_weight_bits=bits)

    def _compensated(self, found: GroupFit, base: GroupFit, inputs: GroupInputs) -> GroupFit:
        rows, root = search_rows(inputs.sample, ROWS)
        basis = whitening(found.transform.input(rows) * root)
        branches = {}
        for layer, w in inputs.weights.items():
            branches[layer] = compensation(found.transform.weight(w), base.weights[layer], basis, self._rank(*w.shape))
        return replace(found, columns=None, weights=base.weights, branches=branches)

    def _rank(self, outputs: int, channels: int) -> int:
        side = min(outputs, channels)
        return min(side, max(1, int(self.rank * side) if self.rank <= 1 else int(self.rank)))


METHODS.add("masquant", MASQuant)
