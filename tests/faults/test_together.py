"""Processes that share runs, killed at random moments: those that are left make the runs that one process makes."""

import pytest
from faults.test_faults import told
from fixtures.thorough import THOROUGH

ROUNDS = 20 if THOROUGH else 6


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["capture", "quantize", "evaluate"])
def test_processes_that_die_take_nothing_with_them(verb):
    found = told("together.py", verb, str(ROUNDS), "7")
    print(f"{verb}: {found['killed']} of {3 * ROUNDS} processes killed in {ROUNDS} rounds")
    assert found["wrong"] == []
    assert found["killed"] >= ROUNDS // 2 and found["most"] > 1
