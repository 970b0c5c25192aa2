"""The choice of one option a group: against all choices, one by one."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphoquant.queries import knapsack
from morphoquant.queries.knapsack import solve


@st.composite
def problems(draw):
    groups, options = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    shape = groups * options
    costs = draw(st.lists(st.integers(0, 40), min_size=shape, max_size=shape))
    losses = draw(st.lists(st.sampled_from([0.0, 0.125, 0.5, 1.0, 3.0, 7.25]), min_size=shape, max_size=shape))
    return np.array(costs).reshape(groups, options) * draw(st.sampled_from([1, 12])), np.array(losses).reshape(groups, options)


def every_choice(costs, losses):
    places = range(len(costs))
    for options in product(range(costs.shape[1]), repeat=len(costs)):
        yield sum(costs[place, options[place]] for place in places), sum(losses[place, options[place]] for place in places)


@settings(deadline=None, max_examples=40)
@given(problems())
def test_at_every_budget_it_is_the_least_of_all_choices(problem):
    costs, losses = problem
    found, every = solve(costs, losses), list(every_choice(costs, losses))
    for budget in range(min(cost for cost, _ in every), max(cost for cost, _ in every) + 2):
        place = found.place(budget)
        options = found.options(place)
        own = [(costs[group, option], losses[group, option]) for group, option in enumerate(options)]
        assert sum(cost for cost, _ in own) <= budget
        assert sum(loss for _, loss in own) == found.losses[place] == min(loss for cost, loss in every if cost <= budget)
    assert found.place(min(cost for cost, _ in every) - 1) < 0


@settings(deadline=None, max_examples=40)
@given(problems())
def test_the_corners_are_the_choices_that_no_other_beats(problem):
    costs, losses = problem
    found, every = solve(costs, losses), set(every_choice(costs, losses))
    best = [one for one in every if not any(o != one and o[0] <= one[0] and o[1] <= one[1] for o in every)]
    corners = found.corners()
    assert [(found.least + found.unit * place, found.losses[place]) for place in corners] == sorted(best)


def test_costs_without_a_common_measure_keep_the_budget(monkeypatch):
    monkeypatch.setattr(knapsack, "UNITS", 50)
    draw = np.random.default_rng(0)
    costs, losses = draw.integers(1, 10_000, (8, 3)), draw.random((8, 3))
    exact = {budget: min(loss for cost, loss in every_choice(costs, losses) if cost <= budget) for budget in (35_000, 45_000)}
    found = solve(costs, losses)
    assert len(found.losses) < 80
    for budget, least in exact.items():
        options = found.options(found.place(budget))
        assert sum(costs[group, option] for group, option in enumerate(options)) <= budget
        assert found.losses[found.place(budget)] == pytest.approx(least, abs=0.35) and found.losses[found.place(budget)] >= least
