"""Advice: only from a run that measured better there, and honest about what it costs elsewhere."""

import hand_made as made
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphoquant.findings.mend import LEAD_DB, mend


def _evidence(*others):
    here = made.errors(made.error("a.q", "audio", 8.0), made.error("a.o", "audio", 10.0))
    return made.evidence(errors=here, others=others)


@given(lead=st.floats(-5, 5))
def test_advice_needs_a_lead(lead):
    better = made.other("dabc w4a4", made.error("a.q", "audio", 8.0 + lead), made.error("a.o", "audio", 10.0))
    found = mend(_evidence(better), "a.q", "audio", "output")
    assert (found is not None) == ((8.0 + lead) - 8.0 >= LEAD_DB)


def test_without_another_run_there_is_no_advice():
    assert mend(_evidence(), "a.q", "audio", "output") is None


def test_a_run_that_did_not_measure_the_place_is_no_advice():
    assert mend(_evidence(made.other("dabc w4a4", made.error("a.q", "text", 30.0))), "a.q", "audio", "output") is None


def test_a_method_that_is_no_worse_over_all_layers_comes_first():
    local = made.other("token", made.error("a.q", "audio", 20.0), made.error("a.o", "audio", 0.0))
    sound = made.other("dabc", made.error("a.q", "audio", 12.0), made.error("a.o", "audio", 12.0))
    found = mend(_evidence(local, sound), "a.q", "audio", "output")
    assert found.run == sound.run and "; over all layers" in found.sentence and found.sentence.endswith("more.")
    alone = mend(_evidence(local), "a.q", "audio", "output")
    assert "but over all layers" in alone.sentence and alone.numbers["pooled_change_db"] < 0


def test_what_bypasses_the_grid_is_told():
    row = made.error("a.q", "audio", 15.0, "input", "activation", bypassed=30)
    better = made.other("dabc", made.error("a.q", "audio", 12.0), row)
    found = mend(_evidence(better), "a.q", "audio", "output")
    assert found.numbers["bypassed_share"] == pytest.approx(0.03)
    assert "it keeps 3 % of the input's values in full precision" in found.sentence
