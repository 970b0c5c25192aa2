"""Fixtures that several packages' tests share."""

import pytest
from fixtures.answer_runs import AnswerRuns, build_answer_runs
from fixtures.inside_runs import InsideRuns, build_inside_runs
from fixtures.odd_runs import OddRuns, build_odd_runs
from fixtures.small_runs import SmallRuns, build_small_runs
from hypothesis import settings

# How long an example takes depends on what else the machine does; what is measured is in benchmarks/.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def small_runs(tmp_path_factory) -> SmallRuns:
    """A capture and four quantize runs of a made-up two-tower model, written through the real RunStore."""
    return build_small_runs(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def answer_runs(tmp_path_factory) -> AnswerRuns:
    """Evaluations of four methods at three specs, a calibration matrix and a sensitivity run, with made-up answers."""
    return build_answer_runs(tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="session")
def inside_runs(tmp_path_factory) -> InsideRuns:
    """Two inspect runs of one capture, with made-up hidden states and attention."""
    return build_inside_runs(tmp_path_factory.mktemp("inside"))


@pytest.fixture(scope="session")
def odd_runs(tmp_path_factory) -> OddRuns:
    """Captures of constant, zero and denormal channels, one of them with NaN and infinite values, by the real engine."""
    return build_odd_runs(tmp_path_factory.mktemp("odd"))
