"""The dispersion score of a channel and the outlier mask that follows: DABC's one definition, for methods and charts alike.

Source: MorphoQuant (arXiv 2606.04349), section "Distribution-Aware Bias Compensation", and its published code. The paper,
its earlier version and the code differ in the score's denominator, in the scope of the threshold and in the comparison;
each difference is an argument here.
"""

import numpy as np

from morphoquant.core.errors import SpecError

EPS = 1e-5
FORMS = ("log1p", "log", "plain", "par")
SCOPES = ("local", "global", "either", "quantile", "either-quantile")


def dispersion_score(low: np.ndarray, high: np.ndarray, mean_abs: np.ndarray, form: str = "log1p") -> np.ndarray:
    """Dispersion score D_c of each channel: its range against its typical magnitude.

    Args:
        low: [channels] smallest value.
        high: [channels] largest value.
        mean_abs: [channels] mean |x|.
        form: what the range is divided by.
            "log1p": log(1 + mean|x| + 1e-5), the published code and our default.
            "log": log(mean|x| + 1e-5), the paper as printed. Negative below and infinite around mean|x| = 1: for
            comparison only.
            "plain": mean|x| + 1e-5, the paper's first version.
            "par": the peak max(|low|, |high|) over mean|x| + 1e-5, the peak-to-average ratio.

    Returns:
        float64 [channels], in units of the activation for "log1p" and "log", a pure number otherwise; NaN stays NaN.

    Raises:
        SpecError: unknown form.
    """
    low, high, mean_abs = (np.asarray(value, dtype=np.float64) for value in (low, high, mean_abs))
    if form == "par":
        return np.maximum(np.abs(low), np.abs(high)) / (mean_abs + EPS)
    spread = np.abs(high - low)
    if form == "log1p":
        return spread / np.log1p(mean_abs + EPS)
    if form == "plain":
        return spread / (mean_abs + EPS)
    if form == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            return spread / np.log(mean_abs + EPS)
    raise SpecError(f"unknown dispersion score {form!r}: allowed are {', '.join(FORMS)}.")


def sigma_limit(scores: np.ndarray, sigma: float = 2.0, ddof: int = 1) -> float:
    """mean + sigma * std of the finite scores; infinite, so that nothing is masked, when there are no more than `ddof`."""
    scores = np.asarray(scores, dtype=np.float64)
    scores = scores[np.isfinite(scores)]
    if len(scores) <= ddof:
        return float("inf")
    return float(scores.mean() + sigma * scores.std(ddof=ddof))


def quantile_limit(scores: np.ndarray, quantile: float = 0.95) -> float:
    """The given quantile of the finite scores; infinite when there are none."""
    scores = np.asarray(scores, dtype=np.float64)
    scores = scores[np.isfinite(scores)]
    return float(np.quantile(scores, quantile)) if len(scores) else float("inf")


def mask_limit(
    score: np.ndarray,
    sigma: float = 2.0,
    *,
    scope: str = "local",
    population: np.ndarray | None = None,
    quantile: float = 0.95,
    ddof: int = 1,
) -> float:
    """The score from which on a channel is an outlier; see `outlier_mask` for the arguments."""
    if scope not in SCOPES:
        raise SpecError(f"unknown mask scope {scope!r}: allowed are {', '.join(SCOPES)}.")
    if scope == "local":
        return sigma_limit(score, sigma, ddof)
    if population is None:
        raise SpecError(f"mask scope {scope!r} needs the scores of all layers: give them as population, or use scope 'local'.")
    if scope == "global":
        return sigma_limit(population, sigma, ddof)
    if scope == "quantile":
        return quantile_limit(population, quantile)
    # An OR of two thresholds on one score is the lower threshold.
    model_wide = sigma_limit(population, sigma, ddof) if scope == "either" else quantile_limit(population, quantile)
    return min(sigma_limit(score, sigma, ddof), model_wide)


def outlier_mask(
    score: np.ndarray,
    sigma: float = 2.0,
    *,
    scope: str = "local",
    population: np.ndarray | None = None,
    quantile: float = 0.95,
    inclusive: bool = True,
    ddof: int = 1,
) -> np.ndarray:
    """Channels whose large values bypass the grid.

    Args:
        score: [channels] dispersion scores of one layer.
        sigma: standard deviations above the mean.
        scope: where mean and deviation are taken.
            "local": in this layer (the published code). "global": over all layers. "either": local or global (the paper).
            "quantile": above the quantile over all layers (the first version: the top 5 %).
            "either-quantile": local or quantile (a variant left in the code as a comment).
        population: scores of all layers in one flat array, for every scope but "local".
        quantile: for the quantile scopes.
        inclusive: compare with >= (the code) or with > (the paper). They differ where scores tie at the limit, such as in a
            layer whose scores are all equal: >= masks it whole, > not at all.
        ddof: of the standard deviation; 1 is the sample's.

    Returns:
        bool [channels]; never masked is a channel whose score is not finite, or 0: one that is constant has no range to be wide,
        though all scores tie at 0 where a modality has one token.

    Raises:
        SpecError: unknown scope, or one that lacks its population.
    """
    score = np.asarray(score, dtype=np.float64)
    limit = mask_limit(score, sigma, scope=scope, population=population, quantile=quantile, ddof=ddof)
    above = score >= limit if inclusive else score > limit
    return above & np.isfinite(score) & (score != 0)
