"""DABC's mask: channels whose range is large against their typical magnitude."""

from collections.abc import Iterable

import numpy as np

from morphoquant.methods.base import ChannelSummary
from morphoquant.methods.morpho.settings import Settings
from morphoquant.stats.dispersion import dispersion_score, outlier_mask


def channel_scores(summary: ChannelSummary, settings: Settings) -> np.ndarray:
    """Dispersion score of each channel [K]; NaN for a channel without values, which is then never masked."""
    score = dispersion_score(summary.min, summary.max, summary.mean_abs, settings.score)
    return np.where(summary.count > 0, score, np.nan)


def pool_scores(summaries: Iterable[ChannelSummary], settings: Settings) -> np.ndarray | None:
    """Scores of all layers in one array, None where the mask looks at one layer at a time."""
    if not settings.needs_population:
        return None
    return np.concatenate([channel_scores(summary, settings) for summary in summaries])


def channel_mask(score: np.ndarray, role: str, settings: Settings, population: np.ndarray | None) -> np.ndarray:
    """Outlier channels of one layer, bool [K]; all of them in the roles that the settings mask whole."""
    if role in settings.mask_all_roles:
        return np.ones(len(score), bool)
    return outlier_mask(
        score,
        settings.sigma,
        scope=settings.mask_scope,
        population=population,
        quantile=settings.quantile,
        inclusive=settings.inclusive,
    )
