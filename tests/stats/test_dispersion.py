import numpy as np
import pytest

from morphoquant.core.errors import SpecError
from morphoquant.stats.dispersion import dispersion_score, mask_limit, outlier_mask


def test_score_forms_follow_their_formulas():
    low, high, mean_abs = np.array([-3.0]), np.array([1.0]), np.array([0.5])
    assert dispersion_score(low, high, mean_abs)[0] == pytest.approx(4 / np.log(1.5 + 1e-5))
    assert dispersion_score(low, high, mean_abs, "log")[0] == pytest.approx(4 / np.log(0.5 + 1e-5))
    assert dispersion_score(low, high, mean_abs, "plain")[0] == pytest.approx(4 / 0.50001)
    assert dispersion_score(low, high, mean_abs, "par")[0] == pytest.approx(3 / 0.50001)
    assert dispersion_score(np.zeros(1), np.zeros(1), np.zeros(1))[0] == 0
    with pytest.raises(SpecError, match="log1p, log, plain, par"):
        dispersion_score(low, high, mean_abs, "sqrt")


def test_printed_form_is_negative_below_a_mean_of_one():
    assert dispersion_score([-1.0], [1.0], [0.3], "log")[0] < 0


def test_local_mask_is_two_sample_deviations_above_the_mean():
    score = np.r_[np.ones(20), 5.0]
    assert mask_limit(score) == pytest.approx(score.mean() + 2 * score.std(ddof=1))
    assert mask_limit(score, ddof=0) == pytest.approx(score.mean() + 2 * score.std())
    assert outlier_mask(score).tolist() == [False] * 20 + [True]
    assert not outlier_mask(score, sigma=10).any()


def test_scopes_take_their_limits_where_they_say():
    score = np.r_[np.ones(20), 5.0]
    high = np.r_[np.full(50, 10.0), np.full(50, 11.0)]
    low = np.linspace(0, 0.5, 100)
    assert not outlier_mask(score, scope="global", population=high).any()
    assert outlier_mask(score, scope="global", population=low).all()
    assert outlier_mask(score, scope="either", population=high).sum() == 1
    assert outlier_mask(score, scope="either", population=low).all()
    ranked = np.arange(1000.0)
    assert outlier_mask(ranked, scope="quantile", population=ranked).sum() == 50
    assert outlier_mask(score, scope="either-quantile", population=ranked).sum() == 1
    for scope in ("global", "either", "quantile", "either-quantile"):
        with pytest.raises(SpecError, match="population"):
            outlier_mask(score, scope=scope)
    with pytest.raises(SpecError, match="unknown mask scope"):
        outlier_mask(score, scope="galactic")


def test_comparison_decides_ties():
    assert outlier_mask(np.ones(4)).all()
    assert not outlier_mask(np.ones(4), inclusive=False).any()


def test_scores_that_are_not_finite_are_never_masked_and_do_not_count():
    score = np.r_[np.ones(20), 5.0, np.nan, np.inf]
    assert outlier_mask(score).tolist() == [False] * 20 + [True, False, False]
    assert not outlier_mask(np.array([7.0])).any()


def test_channels_without_a_range_are_no_outliers_though_all_tie():
    """Of a single token every channel is so."""
    value = np.array([3.0, -0.2, 0.0, 1e-41])
    score = dispersion_score(value, value, np.abs(value))
    assert (score == 0).all() and mask_limit(score) == 0
    assert not outlier_mask(score).any() and not outlier_mask(score, scope="quantile", population=score).any()
    assert outlier_mask(np.r_[np.zeros(30), 5.0]).tolist() == [False] * 30 + [True]
