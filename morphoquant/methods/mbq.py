"""MBQ: AWQ's scales, searched on errors that count with the modality's gradient."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from morphoquant.core.errors import SpecError
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.awq import candidate
from morphoquant.methods.base import METHODS, GroupInputs, Need, TokenSample
from morphoquant.methods.folding import scale_folds
from morphoquant.methods.modalities import sampled
from morphoquant.methods.output_error import output_error
from morphoquant.methods.plain import BasisMethod, require_least
from morphoquant.methods.rows import search_rows
from morphoquant.quant.channelwise import Scale
from morphoquant.quant.transform import Identity, Transform

# A modality that the answers do not depend on at all still decides where there is no other.
LEAST = 1e-6


@dataclass(frozen=True)
class MBQ(BasisMethod):
    """Scales input channels so that the error of the output falls, each modality's weighted by what it does to the answer.

    Idea: visual tokens are many and the answer hardly depends on each; left unweighted they decide the scales.

    Formula: s = mean|x|^r over sqrt(max s min s), r of 0, 1/20 .. 19/20 with the smallest sum_m rho_m sum_{t in m} |dY_t|,
        rho_text = 1, rho_m = mean_{t in m} |dL/dy_t| / mean_{t in answers} |dL/dy_t|, L the loss of the answers.

    Needs: the mean magnitude of each channel and a token sample; the extremes for static activation ranges; the gradients, unless
        rho is given for all three. What quantises, evaluates or ranks layers measures them once for a capture.
    Cost: `ratios` roundings and products a group, and once for a capture a pass forward and backward over its samples that have
        answers; at run time the scale.
    Fails when: a mean gradient says little of the loss, since it is a heuristic and no bound; when the answers of calibration are
        unlike those in use.

    Source: Li et al. 2024, MBQ (arXiv 2412.19509), and its published code, from which the rho of a layer is: that of the end of
        its half of the block, attention or the gated product, and at least the median over blocks. Outside decoder blocks it is
        the median of all. Video and audio beside images are ours; all text counts, not answers alone, and errors are those of
        the linears, not after attention.

    Attributes:
        image: rho of images for every layer; 0 takes the one measured.
        video: the same of video.
        audio: the same of audio. A modality that was not measured either counts like text.
        error: "mae" is |dY|, "mse" its square.
        ratios: exponents tried; 1 is no scaling.
        rows: sampled tokens that errors are measured on, at most.
    """

    image: float = 0.0
    video: float = 0.0
    audio: float = 0.0
    error: Literal["mae", "mse"] = "mae"
    ratios: int = 20
    rows: int = 512

    name = "mbq"

    @property
    def needs(self) -> frozenset[Need]:
        """Statistics, a sample to search on, and gradients where rho is not given."""
        measured = {Need.GRADIENTS} if 0 in self._given.values() else set()
        return frozenset({Need.EXTREMES, Need.MEAN_ABS, Need.SAMPLE} | measured)

    @property
    def _given(self) -> dict[Modality, float]:
        return {Modality.IMAGE: self.image, Modality.VIDEO: self.video, Modality.AUDIO: self.audio}

    def __post_init__(self):
        for field, rho in self._given.items():
            if not 0 <= rho < np.inf:
                raise SpecError(f"mbq.{field} cannot be {rho}: allowed are finite values above 0, and 0 for the one measured.")
        require_least(self, 1, "ratios", "rows")

    def transform(self, inputs: GroupInputs, spec: QuantSpec) -> Transform:
        x, root = search_rows(weighted(inputs.sample, self.rho(inputs)), self.rows)
        if not len(x):
            return Identity()
        scales = [Scale(candidate(inputs.summary.mean_abs, step / self.ratios)) for step in range(self.ratios)]
        power = 1.0 if self.error == "mae" else 2.0
        best = int(np.argmin([output_error(scale, inputs, spec, x, root, power) for scale in scales]))
        return Scale(scales[best].scale, scale_folds(inputs.role)) if best else Identity()

    def rho(self, inputs: GroupInputs) -> dict[Modality, float]:
        """What a row of each modality but text weighs against one of text."""
        measured = inputs.gradients if Need.GRADIENTS in self.needs else {}
        return {modality: given or max(measured.get(modality, 1.0), LEAST) for modality, given in self._given.items()}


def weighted(sample: TokenSample, rho: Mapping[Modality, float]) -> TokenSample:
    """The sample with each row's weight multiplied by the rho of its modality; those without one stay as they are."""
    parts = [replace(part, weights=part.weights * rho.get(modality, 1.0)) for modality, part in sampled(sample).items()]
    if not parts:
        return sample
    return TokenSample(*(torch.cat([getattr(part, name) for part in parts]) for name in ("x", "slots", "weights")))


METHODS.add("mbq", MBQ)
