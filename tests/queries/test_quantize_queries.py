"""Questions put to quantize runs: sums are pooled, decibels never; what does not fit together is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from morphoquant.core.errors import CompareError, StoreError, UnknownNameError
from morphoquant.core.modality import CONTENT, POSITIONS, Modality
from morphoquant.core.selection import Selection
from morphoquant.queries.alpha import alpha_search
from morphoquant.queries.codes import codes_used, occupied_codes
from morphoquant.queries.compare import before_and_after, comparable, compare_methods, run_labels
from morphoquant.queries.decibels import sqnr_db
from morphoquant.queries.errors import error_sums, layer_errors, layer_errors_of
from morphoquant.queries.modalities import where
from morphoquant.queries.placement import grid_placement
from morphoquant.queries.predicted import predicted_and_measured, predicted_sqnr
from morphoquant.queries.sources import capture_of, quantized
from morphoquant.queries.split import clipping_and_rounding, error_sources
from morphoquant.queries.use import grid_use

LANGUAGE = Selection(component="language", modalities=CONTENT)
Q2 = "model.language_model.layers.2.self_attn.q_proj"
K2 = "model.language_model.layers.2.self_attn.k_proj"


def test_sqnr_of_small_numbers():
    assert sqnr_db([100.0, 1.0, 5.0], [1.0, 1.0, 0.0]).tolist() == [20.0, 0.0, np.inf]
    assert np.isnan(sqnr_db(0.0, 0.0))


def test_layer_errors_pool_sums_over_positions(small_runs):
    raw = small_runs.rtn4.frame("errors", where={"layer": Q2, "modality": "text", "tap": "output", "source": "both"})
    assert set(raw["position"]) == {"first", "rest"}
    frame = layer_errors(small_runs.rtn4, replace(LANGUAGE, positions=POSITIONS), "output_sqnr_db")
    row = frame[(frame["layer"] == Q2) & (frame["modality"] == "text")].iloc[0]
    assert row["value"] == pytest.approx(10 * np.log10(raw["signal_sq"].sum() / raw["error_sq"].sum()))
    assert row["tokens"] == raw["tokens"].sum()


def test_input_errors_stand_under_the_first_linear(small_runs):
    inputs, outputs = (set(error_sums(small_runs.rtn4, LANGUAGE, tap)["layer"]) for tap in ("input", "output"))
    assert outputs - inputs == {name for name in outputs if "k_proj" in name}
    worst = layer_errors(small_runs.rtn4, LANGUAGE, "input_cosine_min")["value"]
    assert worst.tolist() == error_sums(small_runs.rtn4, LANGUAGE, "input")["cosine_min"].tolist()
    of_k = layer_errors(small_runs.rtn4, replace(LANGUAGE, role="k_proj"), "input_nmse")
    assert set(of_k["role"]) == {"q_proj"}


def test_inlier_and_outlier_errors_split_the_sums(small_runs):
    sums = error_sums(small_runs.searched, LANGUAGE, "input").set_index(["layer", "modality"]).loc[(Q2, "image")]
    values = {
        name: layer_errors(small_runs.searched, LANGUAGE, name).set_index(["layer", "modality"])["value"].loc[(Q2, "image")]
        for name in ("inlier_sqnr_db", "outlier_sqnr_db", "bypass_density")
    }
    rest = sums["error_sq"] - sums["outlier_error_sq"]
    assert values["inlier_sqnr_db"] == pytest.approx(10 * np.log10((sums["signal_sq"] - sums["outlier_signal_sq"]) / rest))
    assert values["outlier_sqnr_db"] == pytest.approx(10 * np.log10(sums["outlier_signal_sq"] / sums["outlier_error_sq"]))
    assert values["bypass_density"] == pytest.approx(100 * sums["bypassed"] / (sums["tokens"] * sums["width"]))
    unmasked = layer_errors(small_runs.rtn4, LANGUAGE, "outlier_sqnr_db")
    assert unmasked.empty


def test_an_unknown_measure_is_named(small_runs):
    with pytest.raises(UnknownNameError, match="output_sqnr_db"):
        layer_errors(small_runs.rtn4, LANGUAGE, "output_sqnr")


def test_compare_pools_powers_and_names_the_worst_layer(small_runs):
    frame = compare_methods(small_runs.quantized, LANGUAGE).set_index(["label", "modality"])
    sums = error_sums(small_runs.rtn4, LANGUAGE, "output")
    text = sums[sums["modality"] == "text"]
    row = frame.loc[("rtn w4a4", "text")]
    assert row["pooled_sqnr_db"] == pytest.approx(10 * np.log10(text["signal_sq"].sum() / text["error_sq"].sum()))
    single = 10 * np.log10(text["signal_sq"] / text["error_sq"])
    assert row["worst_sqnr_db"] == pytest.approx(single.min())
    assert row["worst_layer"] == text["layer"].to_numpy()[single.to_numpy().argmin()] and row["layers"] == len(text)
    assert row["pooled_sqnr_db"] != pytest.approx(single.mean(), abs=0.05)
    assert frame.loc[("rtn w8a8", "text"), "pooled_sqnr_db"] > row["pooled_sqnr_db"] + 10


def test_runs_that_differ_in_more_are_refused_by_name(small_runs):
    with pytest.raises(CompareError, match="differ in seed:"):
        compare_methods([small_runs.rtn4, small_runs.other_seed], LANGUAGE)
    scoped = replace(small_runs.rtn8.header, plan=replace(small_runs.rtn8.plan, options={"scope": ["language"]}))
    other = type(small_runs.rtn8)(small_runs.rtn8.folder, scoped)
    with pytest.raises(CompareError, match="differ in options.scope:"):
        comparable([small_runs.rtn4, other])
    with pytest.raises(CompareError, match="two runs, 3 are chosen"):
        before_and_after(small_runs.quantized, LANGUAGE, "output_sqnr_db")
    with pytest.raises(StoreError, match="no quantised run"):
        quantized([small_runs.capture])


def test_labels_say_what_differs(small_runs):
    assert run_labels(small_runs.quantized) == ["rtn w4a4", "rtn w8a8", "morphoquant w4a4"]
    paper = replace(small_runs.searched.header, plan=replace(small_runs.searched.plan, fields={"lam": 1.5}))
    other = type(small_runs.rtn8)(small_runs.searched.folder, paper)
    assert run_labels([small_runs.searched, other]) == ["morphoquant (lam=0.8) w4a4", "morphoquant (lam=1.5) w4a4"]


def test_of_many_fields_that_differ_as_few_are_named_as_tell_runs_apart(small_runs):
    run, names = small_runs.searched, ("a", "variant", "edge", "lam", "p")
    headers = [replace(run.header, plan=replace(run.plan, fields=dict.fromkeys(names, value) | {"a": 1})) for value in (2, 7)]
    runs = [type(run)(run.folder, header) for header in headers]
    assert run_labels(runs) == ["morphoquant (variant=2) w4a4", "morphoquant (variant=7) w4a4"]


def test_stages_are_before_and_after_in_the_order_given(small_runs):
    frame = before_and_after([small_runs.rtn4, small_runs.searched], LANGUAGE, "output_sqnr_db")
    assert frame.groupby("stage")["run_id"].unique().map(list).to_dict() == {
        "before": [small_runs.rtn4.run_id],
        "after": [small_runs.searched.run_id],
    }


def test_clipping_and_rounding_add_up_to_the_error(small_runs):
    split = clipping_and_rounding(small_runs.searched, LANGUAGE)
    sums = error_sums(small_runs.searched, LANGUAGE, "input")
    pooled = split[split["layer"].isna()].set_index("modality")
    for modality, part in sums.groupby("modality"):
        both = pooled.loc[modality, "clip_nmse"] + pooled.loc[modality, "round_nmse"]
        assert both == pytest.approx(part["error_sq"].sum() / part["signal_sq"].sum())
    assert split["clip_share_percent"].between(0, 100).all() and (split["clip_share_percent"] > 0).any()


def test_sources_are_pooled_and_both_is_the_worst(small_runs):
    frame = error_sources(small_runs.rtn4, LANGUAGE).pivot(index="modality", columns="source", values="sqnr_db")
    assert (frame["both"] <= frame[["weight", "activation"]].min(axis=1) + 0.5).all()


def test_grid_use_is_a_share_of_the_values(small_runs):
    raw = small_runs.searched.frame("grid_use", where={"group": Q2, "modality": "image"})
    frame = grid_use(small_runs.searched, LANGUAGE, "clipped_share").set_index(["layer", "modality"])
    assert frame.loc[(Q2, "image"), "value"] == pytest.approx(100 * raw["clipped"].sum() / raw["count"].sum())
    assert frame.loc[(Q2, "image"), "values"] == raw["count"].sum()


def test_alpha_search_compares_half_widths(small_runs):
    assert alpha_search(small_runs.searched, K2)["ratio"].tolist() == pytest.approx([0.75] * 32)
    assert alpha_search(small_runs.rtn4, Q2)["ratio"].tolist() == pytest.approx([1.0] * 32)
    with pytest.raises(StoreError, match="no fixed grids"):
        alpha_search(small_runs.dynamic, Q2)


def test_grid_placement_holds_levels_edges_and_use(small_runs):
    frame = grid_placement(small_runs.searched, small_runs.capture, LANGUAGE, Q2)
    assert frame["channel"].unique().tolist() == [2]
    levels = frame.loc[frame["part"] == "level", "value"].to_numpy()
    assert len(levels) == 16 and np.allclose(np.diff(levels), levels[1] - levels[0])
    edges = frame[frame["part"] == "edge"].set_index("name")["value"]
    assert edges["high"] == pytest.approx(0.75 * edges["base high"])
    assert edges["bypass limit"] == pytest.approx(0.8 * edges["high"])
    use = frame[frame["part"] == "use"].pivot(index="modality", columns="name", values="value")
    assert (use["codes used"] <= use["codes available"]).all() and (use["codes available"] == 16).all()
    with pytest.raises(StoreError, match="no channel 77"):
        grid_placement(small_runs.searched, small_runs.capture, replace(LANGUAGE, channel=77), Q2)


def test_codes_in_use_match_the_rows(small_runs):
    from fixtures.small_model import inputs_of, linears

    from morphoquant.core.modality import Position, slot

    frame = codes_used(small_runs.rtn4, small_runs.capture, LANGUAGE, Q2)
    x, slots = inputs_of(next(linear for linear in linears() if linear.name == Q2))
    x = x[slots == slot(Modality.VIDEO, Position.REST)]
    grids = small_runs.rtn4.frame("grids", where={"group": Q2}).sort_values("channel")
    codes = np.round(x / grids["step"].to_numpy() + grids["zero_point"].to_numpy())
    truth = [len(np.unique(codes[:, channel])) for channel in range(32)]
    video = frame[frame["modality"] == "video"]["used"].to_numpy()
    assert np.abs(video - truth).max() <= 1 and (video == truth).mean() > 0.8


@pytest.mark.parametrize("positions", [POSITIONS[:1], POSITIONS])
def test_codes_in_use_are_the_different_codes_of_the_filled_bins(small_runs, positions):
    selection = replace(LANGUAGE, positions=positions)
    table = small_runs.capture.table("histograms", where={"group": Q2, **where(selection)})
    for run in (small_runs.rtn8, small_runs.searched):
        grids = run.frame("grids", where={"group": Q2}).set_index("channel")
        known = occupied_codes(table, grids).groupby(["modality", "channel"])["code"].nunique()
        found = codes_used(run, small_runs.capture, selection, Q2).set_index(["modality", "channel"])["used"]
        assert len(found) == len(known) == 32 * found.index.get_level_values(0).nunique()
        assert found.to_dict() == known.to_dict()


def test_prediction_agrees_with_the_measured_runs(small_runs):
    frame = predicted_and_measured(small_runs.capture, [small_runs.rtn4, small_runs.rtn8], LANGUAGE, Q2)
    predicted = frame[frame["kind"] == "predicted"].set_index(["modality", "bits"])["sqnr_db"]
    measured = frame[frame["kind"] == "measured"].set_index(["modality", "bits"])["sqnr_db"]
    assert len(measured) == 8
    # The bins spread a few hundred values evenly, so that single channels differ by tenths of a decibel.
    assert (measured - predicted.loc[measured.index]).abs().max() < 0.6


def test_prediction_rises_with_bits(small_runs):
    frame = predicted_sqnr(small_runs.capture, LANGUAGE, Q2, clips=(1.0, 0.5))
    text = frame[(frame["modality"] == "text") & (frame["clip"] == 1.0)].sort_values("bits")
    assert text["sqnr_db"].is_monotonic_increasing and set(frame["clip"]) == {1.0, 0.5}
    for bits in (3, 7):
        alone = predicted_sqnr(small_runs.capture, LANGUAGE, Q2, bits=(bits,), clips=(0.5,))
        own = frame[(frame["bits"] == bits) & (frame["clip"] == 0.5)].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, own)
    with pytest.raises(StoreError, match="keeps no histogram of .* here"):
        predicted_sqnr(small_runs.capture, Selection(modalities=(Modality.UNKNOWN,)), Q2)


def test_measured_runs_of_a_prediction_are_those_of_each_run_alone(small_runs):
    runs = small_runs.quantized
    frame = predicted_and_measured(small_runs.capture, runs, LANGUAGE, Q2)
    measured = frame[frame["kind"] == "measured"]
    assert measured["label_run"].drop_duplicates().tolist() == run_labels(runs)
    for run, label in zip(runs, run_labels(runs), strict=True):
        known = layer_errors(run, LANGUAGE, "input_sqnr_db")
        known = known[known["layer"] == Q2]
        found = measured[measured["label_run"] == label]
        assert found["sqnr_db"].tolist() == known["value"].tolist() and found["modality"].tolist() == known["modality"].tolist()
        assert set(found["bits"]) == {8 if run is small_runs.rtn8 else 4}
    assert layer_errors_of(runs, LANGUAGE, "input_sqnr_db", layer="nowhere").empty


def test_the_capture_behind_a_quantize_run_is_found(small_runs):
    assert capture_of(small_runs.store, [small_runs.rtn4]).run_id == small_runs.capture.run_id
    with pytest.raises(StoreError, match="no run is chosen"):
        capture_of(small_runs.store, [])


def test_a_channel_that_bypasses_whole_uses_no_code(small_runs, monkeypatch):
    from morphoquant.queries import codes

    grids = codes.channel_grids(small_runs.searched, Q2)
    masked = int(grids.loc[grids["masked"], "channel"].iat[0])
    monkeypatch.setattr(codes, "channel_grids", lambda run, layer: grids.assign(bypass_limit=grids["bypass_limit"] * 0))
    frame = codes_used(small_runs.searched, small_runs.capture, LANGUAGE, Q2)
    used = frame[frame["channel"] == masked]["used"].tolist()
    assert used == [0] * 4 and (frame[frame["channel"] != masked]["used"] > 0).all()
