"""Bits by layer group from a sensitivity run: what each costs, what a budget buys, and the ends of the front."""

import numpy as np
import pandas as pd
import pytest
from fixtures.answer_runs import WIDE

from morphoquant.core.errors import SpecError, StoreError, UnknownNameError
from morphoquant.queries.allocation import FULL, allocate, allocation, choices, raised
from morphoquant.queries.allocation_front import allocation_front, proxy_in_words
from morphoquant.queries.sensitivity import sum_and_whole


@pytest.fixture(scope="module")
def given(answer_runs):
    return choices(answer_runs.store, answer_runs.sensitivity)


def test_a_group_costs_its_weights_and_its_products(given):
    assert given.specs == ["w4a4", FULL] and len(given.groups) == 40 and (given.kl[:, 1] == 0).all()
    wide = np.array([group.rpartition(".")[2] in WIDE for group in given.groups])
    assert (given.parameters == np.where(wide, 32, 16)).all() and (given.macs == 9 * given.parameters).all()


def test_the_front_goes_from_all_groups_to_none(answer_runs, given):
    front = allocation_front(answer_runs.store, answer_runs.sensitivity, "weights")
    stair = front[front["kind"] == "front"]
    total = sum_and_whole(answer_runs.sensitivity).iloc[0]
    assert stair.iloc[0][["bits", "groups"]].tolist() == [4.0, "40 w4a4"]
    assert stair.iloc[0]["sum"] == pytest.approx(total["sum"])
    assert stair.iloc[-1][["bits", "sum"]].tolist() == [16.0, 0.0]
    assert (stair["sum"].diff().dropna() < 0).all() and (stair["bits"].diff().dropna() > 0).all()
    whole = front[front["kind"] == "measured"].iloc[0]
    assert whole["kl"] == total["whole"] and whole["run_id"] == answer_runs.sensitivity.run_id and whole["bits"] == 4.0


def test_a_budget_goes_to_the_groups_that_hurt_most_for_their_size(given):
    found = allocate(given, "activations", 7.0)
    assert found.mean_a_bits <= 7.0 and found.kl == pytest.approx(given.proxy(found.specs))
    # One swap of a group kept for one that is not does no better within the budget.
    for kept in (group for group, spec in found.specs.items() if spec == FULL):
        for other in (group for group, spec in found.specs.items() if spec != FULL):
            swapped = {**found.specs, kept: "w4a4", other: FULL}
            assert given.mean_bits("activations", swapped) > 7.0 or given.proxy(swapped) >= found.kl - 1e-12
    assert raised(given, found.specs)["groups"].sum() == 40 and raised(given, found.specs)["spec"].tolist() == [FULL, "w4a4"]


def test_where_the_sum_is_off_it_is_said(answer_runs):
    measured = dict(kind="measured", bits=6.0, sum=0.5, kl=1.2, kl_low=0.9, kl_high=1.5)
    within = measured | dict(bits=4.0, sum=1.0)
    said = proxy_in_words(pd.DataFrame([measured, within]))
    assert "at 1 of 2 points (at 6 bits it says 0.50 nats, measured are 1.20)" in said
    assert "at all 1 points" in proxy_in_words(pd.DataFrame([within]))
    front = allocation_front(answer_runs.store, answer_runs.sensitivity, "weights")
    assert proxy_in_words(front).startswith("No choice was measured on these items yet")


def test_items_about_one_subject_choose_other_groups(answer_runs, given):
    heard = choices(answer_runs.store, answer_runs.sensitivity, ("audio",))
    blind = [group for group in heard.groups if "vision" in group]
    assert all(allocate(heard, "weights", 10.0).specs[group] == "w4a4" for group in blind)
    assert allocation(heard, dict.fromkeys(heard.groups, "w4a4")).subjects == ("audio",)


def test_what_is_out_of_reach_or_unknown_is_one_sentence(answer_runs, given):
    with pytest.raises(SpecError, match="3 bits is out of reach: with w4a4, w16a16 to choose from, weights have at least 4"):
        allocate(given, "weights", 3.0)
    with pytest.raises(UnknownNameError, match="unknown side 'both'"):
        given.shares("both")
    with pytest.raises(StoreError, match="is no sensitivity run"):
        choices(answer_runs.store, answer_runs.full)
