"""The token x channel view, checked against the rows that the runs were made of."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.other_captures import recaptured
from fixtures.small_model import inputs_of, linears
from fixtures.small_runs import CAPTURE, token_rows

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.modality import POSITIONS, Modality, Position, unslot
from morphoquant.core.offered import NAMES
from morphoquant.core.selection import Selection
from morphoquant.methods.options import parse_method
from morphoquant.methods.parts import Part, parts_found
from morphoquant.queries import token_channel as query
from morphoquant.queries.beyond import beyond_seen
from morphoquant.queries.codes import codes_used
from morphoquant.queries.entropy import code_entropy
from morphoquant.queries.own_channels import OWN_CHANNELS, changing
from morphoquant.queries.placement import grid_placement
from morphoquant.queries.standing_out import standing_out
from morphoquant.queries.stored_grids import quantised_rows
from morphoquant.queries.token_channel import STAGES, token_channel
from morphoquant.store.run_store import RunStore
from morphoquant.store.ship import ship

K2 = "model.language_model.layers.2.self_attn.k_proj"
Q2 = K2.replace("k_proj", "q_proj")
LINEAR = next(linear for linear in linears() if linear.name == Q2)


def kept() -> tuple[np.ndarray, list[tuple[str, str]]]:
    """The rows that the small capture keeps of Q2, in the order of the view, and modality and position of each."""
    x, slots = inputs_of(LINEAR)
    rows = [row["priority"] for row in token_rows(LINEAR, 8)]
    return x[rows], [tuple(map(str, unslot(int(slots[row])))) for row in rows]


def cells(frame, stage: str) -> np.ndarray:
    part = frame[frame["stage"] == stage]
    return part["value"].to_numpy().reshape(part["row"].nunique(), -1)


def test_few_enough_rows_are_shown_one_by_one_and_the_first_token_with_one_switch(small_runs):
    x, keys = kept()
    both = token_channel(small_runs.capture, None, Selection(positions=POSITIONS), K2)
    np.testing.assert_array_equal(cells(both, "before"), np.abs(x))
    shown = both.iloc[:: x.shape[1]]
    assert list(zip(shown["modality"], shown["position"], strict=True)) == keys
    rest = token_channel(small_runs.capture, None, Selection(), K2)
    own = np.array([position == "rest" for _, position in keys])
    np.testing.assert_array_equal(cells(rest, "before"), np.abs(x[own]))
    assert both["value"].max() > 10 * rest["value"].max() / 3 and set(rest["layer"]) == {Q2}
    chosen = Selection(modalities=(Modality.VIDEO, Modality.TEXT))
    found = token_channel(small_runs.capture, None, chosen, K2)["modality"]
    assert list(dict.fromkeys(found)) == ["video", "text"]


def test_joined_cells_hold_the_largest_and_never_join_two_modalities(small_runs, monkeypatch):
    monkeypatch.setattr(query, "MOST_TOKENS", 20)
    monkeypatch.setattr(query, "MOST_CHANNELS", 10)
    x, keys = kept()
    frame = token_channel(small_runs.capture, None, Selection(positions=POSITIONS), Q2)
    found = cells(frame, "before")
    assert found.shape[0] <= 20 and found.shape[1] == 8 and found.max() == np.abs(x).max()
    rows = frame[frame["first_channel"] == 0]
    assert rows["tokens"].sum() == len(x) and rows["tokens"].max() > 1
    ends = np.cumsum(rows["tokens"].to_numpy())
    for row, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        assert set(keys[begin:end]) == {(rows["modality"].iat[row], rows["position"].iat[row])}
        np.testing.assert_array_equal(found[row], np.abs(x[begin:end]).reshape(end - begin, 8, 4).max((0, 2)))


def test_after_and_error_are_those_of_the_stored_grids(small_runs):
    exact = kept()[0]
    x = 3 * exact  # so that some values bypass
    grids = small_runs.searched.frame("grids", where={"group": Q2}).sort_values("channel")
    step, zero, limit = (grids[name].to_numpy() for name in ("step", "zero_point", "bypass_limit"))
    codes = np.clip(np.round(x / step + zero), grids["code_low"], grids["code_high"])
    passes = grids["masked"].to_numpy() & (np.abs(x) > np.nan_to_num(limit, nan=np.inf))
    after = np.where(passes, x, (codes - zero) * step)
    assert passes.any() and not passes.all()
    np.testing.assert_allclose(quantised_rows(small_runs.searched, K2, x), after, rtol=1e-6)
    frame = token_channel(small_runs.capture, small_runs.searched, Selection(positions=POSITIONS), K2, STAGES)
    own = quantised_rows(small_runs.searched, K2, exact)
    np.testing.assert_array_equal(cells(frame, "after"), np.abs(own))
    np.testing.assert_array_equal(cells(frame, "error"), np.abs(own - exact))
    tap = frame.attrs["tap"]
    assert f"the input of {Q2} (language, block 2, 32 channels, shared with L2 self_attn.k_proj)" in tap
    assert "text first 1 of 4" in tap and "image 30 of 240" in tap and small_runs.searched.run_id in tap


def test_values_that_are_not_finite_are_left_out(small_runs, tmp_path):
    rows = token_rows(LINEAR, 8)[:2]
    rows[0]["values"] = [np.nan, np.inf, *rows[0]["values"][2:]]
    capture = recaptured(small_runs, tmp_path, token_sample=rows)
    found = cells(token_channel(capture, None, Selection(positions=POSITIONS), Q2), "before")
    assert np.isnan(found[0, :2]).all() and np.isfinite(found[:, 2:]).all() and len(found) == 2


def test_what_cannot_be_shown_says_why_and_what_to_do(small_runs, tmp_path):
    ask = Selection()
    ship(small_runs.capture, tmp_path / "stored", {Q2})
    bare = RunStore(tmp_path).open(CAPTURE.run_id)
    with pytest.raises(StoreError, match="no sample of tokens.*python -m morphoquant capture --model demo"):
        token_channel(bare, None, ask, Q2)
    with pytest.raises(StoreError, match="keeps no such token.*or the first token"):
        token_channel(small_runs.capture, None, replace(ask, modalities=(Modality.UNKNOWN,)), Q2)
    few = recaptured(small_runs, tmp_path / "few", token_sample=token_rows(LINEAR, 50))
    with pytest.raises(StoreError, match=f"keeps no token of 'model.projector.proj': choose one of {Q2}"):
        token_channel(few, None, ask, "model.projector.proj")
    with pytest.raises(StoreError, match="has no fixed grids"):
        token_channel(small_runs.capture, small_runs.dynamic, ask, Q2, ("after",))
    with pytest.raises(UnknownNameError, match="unknown stage 'between'"):
        token_channel(small_runs.capture, small_runs.searched, ask, Q2, ("between",))
    with pytest.raises(UnknownNameError, match="unknown layer"):
        token_channel(small_runs.capture, None, ask, "nowhere")


def test_grids_of_other_channels_than_the_inputs_are_refused(small_runs, tmp_path):
    capture, plan = small_runs.capture, replace(small_runs.searched.plan, method="smoothquant+mdqfo")
    with RunStore(tmp_path).writer(plan) as writer:
        writer.finish({name: [small_runs.searched.table(name)] for name in small_runs.searched.header.tables}, {})
    run = RunStore(tmp_path).open(plan.run_id)
    asked = (
        lambda: quantised_rows(run, Q2, kept()[0]),
        lambda: grid_placement(run, capture, Selection(), Q2),
        lambda: codes_used(run, capture, Selection(), Q2),
        lambda: code_entropy(run, capture, Selection()),
    )
    for ask in asked:
        with pytest.raises(StoreError, match="smoothquant can scale, reorder or mix them first: choose a run of rtn, dabc"):
            ask()
    assert beyond_seen(small_runs.searched, capture, [Q2]).size and beyond_seen(run, capture, [Q2]).empty
    folded = replace(plan, method="gptq+morphomodal", fields={"morphomodal.fold": True})
    assert changing(folded) == "morphomodal" and changing(replace(folded, fields={"morphomodal.fold": False})) is None


def test_the_methods_that_stay_in_the_inputs_channels_are_those_that_find_no_transform():
    # llm_int8, zeroquant and mquant place no static grid; naming them or not makes no difference.
    staying = {name for name in NAMES if Part.TRANSFORM not in parts_found(parse_method(name))}
    assert set(OWN_CHANNELS) <= staying and staying - set(OWN_CHANNELS) <= {"mquant", "masquant"}


def test_the_input_that_is_opened_is_the_kept_one_whose_first_token_stands_out_most(small_runs, tmp_path):
    def ratio(linear) -> float:
        x, slots = inputs_of(linear)
        first = np.array([unslot(int(slot))[1] is Position.FIRST for slot in slots])
        return float(np.abs(x[first]).max() / np.abs(x[~first]).max()) if first.any() else 0.0

    ratios = {linear.name: ratio(linear) for linear in linears() if linear.name == linear.group}
    most = max(ratios, key=ratios.get)
    assert standing_out(small_runs.capture, Selection()) == most and ratios[most] > 1
    others = recaptured(small_runs, tmp_path, shown_tokens=token_rows(LINEAR, 50))
    assert standing_out(others, Selection()) == Q2
    assert standing_out(others, Selection(component="vision")) is None
    assert standing_out(others, Selection(modalities=(Modality.AUDIO,))) == Q2
    ship(small_runs.capture, tmp_path / "bare" / "stored", {Q2})
    assert standing_out(RunStore(tmp_path / "bare").open(CAPTURE.run_id), Selection()) is None
