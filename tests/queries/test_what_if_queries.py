"""Predictions against the rows themselves, against the methods that they stand for, and against measured runs."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.other_captures import every_second_token, recaptured
from fixtures.small_model import inputs_of, linears
from fixtures.small_runs import SmallRuns

from morphoquant.core.errors import SpecError, StoreError, UnknownNameError
from morphoquant.core.modality import CONTENT, POSITIONS, Modality, Position, slot
from morphoquant.core.selection import Selection
from morphoquant.core.what_if import WhatIf
from morphoquant.methods.base import ChannelSummary, GroupInputs, TokenSample
from morphoquant.methods.options import parse_method
from morphoquant.quant.grid import range_grid
from morphoquant.queries.histograms import layers_with_histograms
from morphoquant.queries.what_if import layer_sums, part_sums, predict, sums_frame
from morphoquant.queries.what_if_frames import differences, grid_frame, grid_table, mask_frame, model_frame, split_frame
from morphoquant.queries.what_if_inputs import layer_inputs, model_inputs
from morphoquant.queries.what_if_parts import layer_parts
from morphoquant.queries.what_if_runs import measured_run, method_of, method_text, spec_text
from morphoquant.queries.what_if_tokens import kept_tokens, token_sums
from morphoquant.stats.dispersion import dispersion_score, outlier_mask
from morphoquant.store import table_file
from morphoquant.store.run_store import RunStore

Q2 = "model.language_model.layers.2.self_attn.q_proj"
K2 = "model.language_model.layers.2.self_attn.k_proj"
DOWN = "model.language_model.layers.1.mlp.down_proj"
EVERYTHING = Selection(positions=POSITIONS)
BOTH = WhatIf(search=True, bypass=True)


def rows_of(layer: str) -> tuple[np.ndarray, np.ndarray]:
    return inputs_of(next(linear for linear in linears() if linear.name == layer))


def group_of(layer: str) -> GroupInputs:
    """The same rows as a method sees them, all of them in its sample."""
    x, slots = rows_of(layer)
    linear = next(linear for linear in linears() if linear.name == layer)
    wide = x.astype(np.float64)
    count = np.full(x.shape[1], float(len(x)))
    moments = wide.mean(0), wide.var(0) * len(x)
    summary = ChannelSummary(count, wide.min(0), wide.max(0), np.abs(wide).mean(0), *moments)
    sample = TokenSample(torch.from_numpy(x), torch.from_numpy(slots.astype(np.int8)), torch.ones(len(x), dtype=torch.float64))
    weights = {layer: torch.zeros(2, x.shape[1])}
    return GroupInputs(linear.group, linear.component, linear.block, linear.role, weights, summary, sample)


@pytest.mark.parametrize("settings", [WhatIf(), WhatIf(bits=2), WhatIf(clip=0.5), WhatIf(granularity="tensor"), WhatIf(bits=8)])
@pytest.mark.parametrize("layer", [Q2, DOWN])
def test_a_prediction_is_what_the_rows_give(small_runs, layer, settings):
    x, slots = rows_of(layer)
    reach = np.abs(x).max(0).astype(float)
    reach = settings.clip * (np.full_like(reach, reach.max()) if settings.granularity == "tensor" else reach)
    hat = range_grid(torch.from_numpy(-reach), torch.from_numpy(reach), settings.bits).quantize(torch.from_numpy(x).double())
    found = split_frame(
        layer_sums(predict(layer_inputs(small_runs.capture, layer), settings), Selection()), Selection()
    ).set_index("modality")
    for modality in CONTENT:
        own = slots == slot(modality, Position.REST)
        error = float(((hat.numpy()[own] - x[own]) ** 2).sum())
        assert found.loc[modality, "values"] == own.sum() * x.shape[1]
        # A few hundred values lie unevenly in their bins.
        assert found.loc[modality, "sqnr_db"] == pytest.approx(10 * np.log10((x[own].astype(float) ** 2).sum() / error), abs=0.6)
        assert found.loc[modality, "clip_nmse"] + found.loc[modality, "round_nmse"] == pytest.approx(
            10 ** (-found.loc[modality, "sqnr_db"] / 10)
        )


def test_values_that_are_known_exactly_are_predicted_exactly(small_runs, tmp_path):
    """A capture whose histograms know every value one by one: nothing is left to spread over bins."""
    x, slots = rows_of(Q2)
    names = {(str(m), str(p)): slot(m, p) for m in Modality for p in Position}
    rows = small_runs.capture.table("histograms", where={"group": Q2}).to_pylist()
    for row in rows:
        values = x[slots == names[row["modality"], row["position"]], row["channel"]]
        row["largest"] = values[np.argsort(-np.abs(values))].tolist()
    capture = recaptured(small_runs, tmp_path, histograms=rows)
    prediction = predict(layer_inputs(capture, Q2), WhatIf(bits=3, bypass=True, lam=0.5, clip=0.8))
    table = grid_table(prediction)
    limit = table["bypass_limit"].fillna(np.inf).to_numpy()
    grid = range_grid(*(torch.tensor(table[name].to_numpy()) for name in ("low", "high")), 3)
    # Steps are kept in float32, as methods keep them.
    grid = replace(grid, step=grid.step.float().double())
    hat = np.where(np.abs(x) > limit, x, grid.quantize(torch.from_numpy(x).double()).numpy())
    clipped = grid.clipped(torch.from_numpy(x).double()).numpy() & (np.abs(x) <= limit)
    found = layer_sums(prediction, EVERYTHING).set_index("modality")
    for modality in CONTENT:
        own = np.isin(slots, [slot(modality, position) for position in POSITIONS])
        error = (hat[own] - x[own].astype(float)) ** 2
        assert found.loc[modality, "error_sq"] == pytest.approx(error.sum(), rel=1e-9)
        assert found.loc[modality, "clip_sq"] == pytest.approx((error * clipped[own]).sum(), rel=1e-9)
        assert found.loc[modality, "clipped"] == clipped[own].sum()
        assert found.loc[modality, "bypassed"] == (np.abs(x[own]) > limit).sum()


def test_the_mask_is_the_one_definition(small_runs):
    x, _ = rows_of(Q2)
    score = dispersion_score(x.min(0), x.max(0), np.abs(x.astype(float)).mean(0))
    for sigma in (0.5, 2.0, 6.0):
        frame = mask_frame(predict(layer_inputs(small_runs.capture, Q2), WhatIf(bypass=True, sigma=sigma)))
        assert set(frame.loc[frame["masked"], "channel"]) == set(np.flatnonzero(outlier_mask(score, sigma)))
        assert frame["score"].tolist() == pytest.approx(np.sort(score)[::-1].tolist(), rel=1e-5)
        limit = frame["limit"].iat[0]
        assert frame["masked"].tolist() == (frame["score"] >= limit).tolist()
    assert not mask_frame(predict(layer_inputs(small_runs.capture, Q2), WhatIf()))["masked"].any()


def test_a_down_proj_is_masked_whole_unless_told_otherwise(small_runs):
    inputs = layer_inputs(small_runs.capture, DOWN)
    assert predict(inputs, WhatIf(bypass=True)).placed.masked.all()
    assert 0 < predict(inputs, WhatIf(bypass=True, whole=False)).placed.masked.sum() < 48


SAME = [
    WhatIf(),
    WhatIf(clip=0.7, bits=6),
    WhatIf(granularity="tensor", clip=0.9),
    WhatIf(bypass=True),
    WhatIf(bypass=True, sigma=1.0, lam=0.0, whole=False),
    WhatIf(bypass=True, sigma=1.5, lam=1.2, bits=3),
]


@pytest.mark.parametrize("settings", SAME, ids=method_text)
@pytest.mark.parametrize("layer", [Q2, DOWN, "model.vision_tower.layers.1.fc2"])
def test_the_grid_is_the_method_s_own(small_runs, layer, settings):
    table = grid_table(predict(layer_inputs(small_runs.capture, layer), settings))
    from morphoquant.core.spec import QuantSpec

    columns = parse_method(method_text(settings)).fit(group_of(layer), QuantSpec.parse(spec_text(settings, 16)), None).columns
    assert np.array_equal(table["masked"], columns["masked"])
    for name in ("base_low", "base_high"):
        # RTN clips before it notes its edges.
        wanted = columns[name] / (1 if settings.places_channels else settings.clip)
        assert table[name].to_numpy() == pytest.approx(wanted, rel=1e-6)
    for name in ("low", "high", "step", "zero_point", "code_low", "code_high"):
        assert table[name].to_numpy() == pytest.approx(columns[name], rel=1e-6), name
    assert table["bypass_limit"].to_numpy() == pytest.approx(columns["bypass_limit"], rel=1e-6, nan_ok=True)


SEARCHED = [
    WhatIf(search=True),
    WhatIf(search=True, p=0.5, low=0.3),
    WhatIf(search=True, p=2.0, cos=1.0, bits=3),
    BOTH,
    WhatIf(search=True, bypass=True, lam=1.5, p=2.0, sigma=1.0),
]


@pytest.mark.parametrize("settings", SEARCHED, ids=method_text)
@pytest.mark.parametrize("layer", [Q2, DOWN])
def test_the_search_finds_what_the_method_finds_on_all_rows(small_runs, layer, settings):
    from morphoquant.core.spec import QuantSpec

    # One batch of every row: the method then looks at what the histograms hold.
    method = parse_method(method_text(settings) + (":" if ":" not in method_text(settings) else ",") + "search_batches=1,ema=0")
    columns = method.fit(group_of(layer), QuantSpec.parse(spec_text(settings, 16)), None).columns
    found = predict(layer_inputs(small_runs.capture, layer), settings).placed.ratio
    wanted = columns["high"] / columns["base_high"]
    step = settings.low ** (-1 / 14)
    near = np.abs(np.log(found / wanted)) < 1.5 * np.log(step)
    assert near.mean() > 0.8, (found, wanted)
    assert set(np.round(np.log(found) / np.log(settings.low) * 14, 6) % 1) <= {0.0, 1.0}


@pytest.mark.parametrize("settings", [WhatIf(), WhatIf(bits=8), WhatIf(clip=0.6), BOTH])
def test_the_model_at_once_is_near_every_layer_alone(small_runs, settings):
    model = predict(model_inputs(small_runs.capture, Selection()), settings)
    frame = model_frame(model, Selection(), "sqnr_db").set_index(["layer", "modality"])["value"]
    assert len(model.inputs.layers) == 11 and set(frame.index.get_level_values(0)) == set(model.inputs.layers["layer"])
    for layer in (Q2, DOWN, "model.projector.proj"):
        alone = split_frame(
            layer_sums(predict(layer_inputs(small_runs.capture, layer), settings), Selection()), Selection()
        ).set_index("modality")
        for modality, row in alone.iterrows():
            assert frame[layer, modality] == pytest.approx(row["sqnr_db"], abs=0.4)


def test_positions_modalities_and_a_part_of_the_model_narrow_the_answer(small_runs):
    prediction = predict(layer_inputs(small_runs.capture, K2), WhatIf())
    rest, everything = (layer_sums(prediction, one).set_index("modality")["values"] for one in (Selection(), EVERYTHING))
    assert everything["text"] - rest["text"] == 4 * 32
    audio = layer_sums(prediction, Selection(modalities=(Modality.AUDIO,)))
    assert audio["modality"].tolist() == ["audio"]
    vision = model_inputs(small_runs.capture, Selection(component="vision"))
    assert set(vision.layers["component"]) == {"vision"} and len(vision.layers) == 4


def test_the_grid_of_one_channel_says_what_is_clipped_and_bypassed(small_runs):
    prediction = predict(layer_inputs(small_runs.capture, Q2), WhatIf(bypass=True, search=True, sigma=1.0))
    frame = grid_frame(prediction, replace(EVERYTHING, channel=2))
    x, slots = rows_of(Q2)
    edges = frame[frame["part"] == "edge"].set_index("name")["value"]
    use = frame[frame["part"] == "use"].pivot(index="modality", columns="name", values="value")
    own = np.abs(x[slots == slot(Modality.VIDEO, Position.REST), 2])
    assert use.loc["video", "bypassed %"] == pytest.approx(100 * (own > edges["bypass limit"]).mean(), abs=2)
    plain = grid_frame(predict(prediction.inputs, WhatIf()), replace(EVERYTHING, channel=2))
    assert set(plain.loc[plain["part"] == "edge", "name"]) == {"low", "high"}
    with pytest.raises(StoreError, match="no channel 99"):
        grid_frame(prediction, replace(EVERYTHING, channel=99))


def test_what_histograms_do_not_tell_is_refused_in_words(small_runs, tmp_path):
    with pytest.raises(SpecError, match="measure it by a run"):
        predict(layer_inputs(small_runs.capture, Q2), WhatIf(granularity="token"))
    with pytest.raises(UnknownNameError, match="unknown layer"):
        layer_inputs(small_runs.capture, "nowhere")
    with pytest.raises(UnknownNameError, match="did you mean 'sqnr_db'"):
        model_frame(predict(model_inputs(small_runs.capture, Selection()), WhatIf()), Selection(), "sqnr")
    from morphoquant.store.ship import ship

    few = ship(small_runs.capture, tmp_path / "stored", {Q2})
    run = RunStore(tmp_path).open(few.name)
    with pytest.raises(
        StoreError, match=f"keeps no histogram of '{DOWN}', so nothing can be predicted there: choose one of {Q2}"
    ):
        layer_inputs(run, DOWN)
    assert model_inputs(run, Selection()).layers["layer"].tolist() == [Q2]
    with pytest.raises(StoreError, match="choose another part"):
        model_inputs(run, Selection(component="vision"))


def test_one_scale_a_token_is_predicted_from_kept_tokens(small_runs, tmp_path):
    x, slots = rows_of(Q2)
    capture = recaptured(small_runs, tmp_path, token_sample=every_second_token(Q2))
    tokens = kept_tokens(capture, K2)
    assert tokens.weight.sum() == len(x)
    settings = WhatIf(bits=4, granularity="token", clip=0.9)
    found = split_frame(token_sums(tokens, settings, Selection()), Selection()).set_index("modality")
    rows = x[(slots == slot(Modality.IMAGE, Position.REST))][::2].astype(float)
    step = 0.9 * np.abs(rows).max(1, keepdims=True) / 7
    error = (np.clip(np.round(rows / step), -8, 7) * step - rows) ** 2
    assert found.loc["image", "sqnr_db"] == pytest.approx(10 * np.log10((rows**2).sum() / error.sum()), abs=1e-4)
    assert found.loc["image", "values"] == 240 * 32 and found.loc["image", "bypassed_percent"] == 0
    only = token_sums(tokens, settings, Selection(modalities=(Modality.AUDIO,)))
    assert only["modality"].tolist() == ["audio"]
    with pytest.raises(StoreError, match="this capture keeps no tokens"):
        kept_tokens(small_runs.capture, Q2)


def test_too_many_histograms_are_refused_with_their_number(small_runs, monkeypatch):
    from morphoquant.queries import what_if_inputs

    monkeypatch.setattr(what_if_inputs, "MOST_ROWS", 500)
    with pytest.raises(StoreError, match="million channel histograms do not fit at once"):
        model_inputs(small_runs.capture, Selection())


@pytest.mark.parametrize("settings", [*SAME, *SEARCHED, WhatIf(granularity="token"), WhatIf(granularity="token", clip=0.9)])
def test_the_method_s_text_means_the_same_fields(settings):
    name, fields = method_of(settings)
    method = parse_method(method_text(settings))
    assert method.name == name
    assert {key: method.options()[key] for key in fields} == fields


def test_a_setting_that_no_method_has_says_which_ones_there_are():
    with pytest.raises(SpecError, match="set the clip ratio to 1, which is dabc"):
        method_of(WhatIf(bypass=True, clip=0.5))


def measured(small_runs: SmallRuns, folder, settings: WhatIf, **plan) -> RunStore:
    """A copy of the small runs with one more, of `settings`, that measured what the run of RTN did."""
    shutil.copytree(small_runs.store.cache, folder, dirs_exist_ok=True)
    store, like = RunStore(folder), small_runs.rtn4
    name, fields = method_of(settings)
    with store.writer(replace(like.plan, method=name, fields=fields, spec=spec_text(settings, 4), **plan)) as writer:
        writer.finish({table: [like.table(table)] for table in like.header.tables}, {})
    return store


def test_the_newest_run_of_the_same_setting_stands_beside(small_runs, tmp_path):
    store = measured(small_runs, tmp_path, WhatIf())
    capture = store.open(small_runs.capture.run_id)
    run = measured_run(store, capture, WhatIf())
    assert run is not None and run.plan.fields["grid"] == "range"
    for other in (WhatIf(bits=5), WhatIf(clip=0.9), WhatIf(granularity="tensor"), BOTH, WhatIf(bypass=True, clip=0.5)):
        assert measured_run(store, capture, other) is None
    frame = split_frame(layer_sums(predict(layer_inputs(capture, Q2), WhatIf()), Selection()), Selection(), run)
    # The planted run measured symmetric grids, which differ from these by a fifteenth of the range.
    assert frame["difference_db"].abs().max() < 2
    assert (frame["sqnr_db"] - frame["measured_db"] - frame["difference_db"]).abs().max() < 1e-9
    model = predict(model_inputs(capture, Selection()), WhatIf())
    both = model_frame(model, Selection(), "sqnr_db", run)
    assert both["stage"].value_counts().to_dict() == {"predicted": len(both) // 2, "measured": len(both) // 2}
    wide = both.pivot(index=["layer", "modality"], columns="stage", values="value")
    far = differences(both)
    assert len(far) == len(wide) and far["difference_db"].abs().is_monotonic_decreasing
    first = far.iloc[0]
    row = wide.loc[(first["layer"], first["modality"])]
    assert first["difference_db"] == pytest.approx(row["predicted"] - row["measured"])
    assert differences(model_frame(model, Selection(), "sqnr_db")).empty


def test_an_input_read_in_pieces_adds_up_to_the_input(odd_runs, tmp_path, monkeypatch):
    """Its finely counted channels too, which stand in a few of the pieces."""
    run, store = odd_runs.odd, RunStore(tmp_path)
    monkeypatch.setattr(table_file, "LISTS", 7)
    with store.writer(run.plan) as writer:
        writer.finish({name: [run.table(name)] for name in run.header.tables}, {})
    layer = layers_with_histograms(run)[0]
    whole = layer_inputs(run, layer)
    with layer_parts(store.open(run.run_id), layer, EVERYTHING) as (stats, parts):
        parts = list(parts)
    assert len(whole.parts) == 2
    assert len(parts) > 4 and sum(len(part.layer) for part in parts) == sum(len(part.layer) for part in whole.parts)
    prediction = predict(whole, WhatIf(bits=3, clip=0.7))
    audio = Selection(modalities=(Modality.AUDIO,))
    for selection in (Selection(), audio):
        found = sum(part_sums(part, part.rows.errors(prediction.placed.grids), 1, selection) for part in parts)
        pd.testing.assert_frame_equal(sums_frame(stats.places, found), layer_sums(prediction, selection), rtol=1e-12)
    with layer_parts(run, layer, audio) as (stats, parts):
        selected = sum(part_sums(part, part.rows.errors(prediction.placed.grids), 1, EVERYTHING) for part in parts)
    pd.testing.assert_frame_equal(sums_frame(stats.places, selected), layer_sums(prediction, audio), rtol=1e-12)
