"""Looking inside a small random model of the embedded model's class: hidden states and attention, quantised and not."""

import numpy as np
import pytest
import torch
from fixtures.small_loaded import small_items, small_loaded
from hooks.tiny_models import MODELS

import morphoquant
from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.modality import MODALITIES, Modality, Position, slot
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.options import parse_method
from morphoquant.quant.linear import quantized
from morphoquant.runs import inspection
from morphoquant.runs.attention_maps import Places, by_distance, cells, maps, moved
from morphoquant.runs.eager import eager_attention
from morphoquant.runs.fitting import fit
from morphoquant.runs.hidden_axes import chosen_tokens, plane
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.inspection import inspect
from morphoquant.runs.scope import parts_of
from morphoquant.store.run_store import RunStore

SCOPE = ("language", "vision", "audio", "connector")
LAYERS = "model.language_model.layers"


def pair(method, spec):
    return parse_method(method), QuantSpec.parse(spec)


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    loaded, store = small_loaded(), RunStore(tmp_path_factory.mktemp("cache"))
    batches = [loaded.encode([item.sample]) for item in small_items(4, seed=5)]
    known = dict(identity=loaded.identity, control=loaded.control)
    capture = morphoquant.capture(loaded.model, batches, store=store, keep_rows=8, **known)
    return loaded, store, capture, batches


def inspected(setting, *pairs, store=None, **options):
    loaded, own, capture, batches = setting
    given = dict(store=store or own, identity=loaded.identity, data={"id": "items", "samples": 4}, control=loaded.control)
    return inspect(loaded.model, capture, options.pop("batches", batches), pairs, **given, **options)


@pytest.fixture(scope="module")
def runs(setting):
    return inspected(setting, pair("rtn", "w16a16"), pair("rtn", "w3a4"))


def test_full_precision_against_itself_changes_nothing(runs):
    exact, lossy = runs
    assert (exact.frame("propagation")["error_sq"] == 0).all() and (exact.frame("propagation")["signal_sq"] > 0).all()
    attention = exact.frame("attention")
    assert (attention["moved"] == 0).all() and all(np.all(row == 0) for row in attention["change"])
    assert (exact.frame("attention_distance")["moved"] == 0).all()
    assert all(np.array_equal(row.full, row.quantised) for row in exact.frame("hidden_states").itertuples())
    assert exact.frame("hidden_axes")["error_share"].isna().all()
    assert (lossy.frame("propagation")["error_sq"] > 0).all() and (lossy.frame("attention")["moved"] > 0).all()


def test_errors_accumulated_and_alone_are_those_of_plain_forwards(setting, runs):
    """Against hooks of this test on the first sample and the last block of the language model."""
    loaded, _, capture, batches = setting
    (run,) = inspected(setting, pair("rtn", "w3a4"), batches=batches[1:2], seed=1)
    (fits,) = fit([pair("rtn", "w3a4")], CalibrationInputs(capture, loaded.model, parts_of(SCOPE)))
    last = loaded.model.get_submodule(f"{LAYERS}.1")
    went_in, came_out = [], []
    handles = [
        last.register_forward_pre_hook(lambda _, args, kwargs: went_in.append((args, kwargs)), with_kwargs=True),
        last.register_forward_hook(lambda _, args, output: came_out.append(output if torch.is_tensor(output) else output[0])),
    ]
    with torch.no_grad(), eager_attention(loaded.model):
        loaded.model(**batches[1])
        with quantized(loaded.model, fits):
            loaded.model(**batches[1])
            args, kwargs = went_in[0]
            last(*args, **{**kwargs, "past_key_values": None})
    for handle in handles:
        handle.remove()
    full, accumulated, alone = came_out
    rows = run.frame("propagation", where={"module": f"{LAYERS}.1"})
    assert set(rows["component"]) == {"language"} and set(rows["block"]) == {1}
    for source, found in (("accumulated", accumulated), ("alone", alone)):
        sums = rows[rows["source"] == source][["signal_sq", "error_sq", "tokens"]].sum()
        assert sums["error_sq"] == pytest.approx(float((found - full).double().square().sum()), rel=1e-5)
        assert sums["signal_sq"] == pytest.approx(float(full.double().square().sum()), rel=1e-5)
        assert sums["tokens"] == full.shape[1]


def test_the_first_block_of_a_tower_has_nothing_to_accumulate(runs):
    frame = runs[1].frame("propagation", where={"block": 0})
    towers = frame[frame["component"].isin(["vision", "audio"])]
    keys = ["module", "modality", "position"]
    alone, accumulated = (towers[towers["source"] == name].set_index(keys)["error_sq"] for name in ("alone", "accumulated"))
    assert len(alone) and alone.sort_index().equals(accumulated.sort_index())
    assert {"connector", "language"} <= set(runs[1].frame("propagation")["component"])


def test_tables_are_bounded_and_name_what_they_hold(setting, runs):
    run = runs[1]
    assert run.run_id.startswith("inspect-rtn-w3a4-") and run.plan.options == {"scope": [*SCOPE], "blocks": [0, 1]}
    assert not run.has("hidden_rows")
    states = run.frame("hidden_states")
    assert states.groupby("module").size().max() <= 300 and {len(row) for row in states["full"]} == {3}
    shares = run.frame("hidden_axes").groupby("module")["share"].sum()
    assert ((shares > 0) & (shares <= 1)).all()
    attention = run.frame("attention")
    assert attention.groupby(["sample", "module"]).size().eq(3).all() and attention["head"].isna().sum() == 8
    for row in attention.itertuples():
        assert len(row.full) == len(row.quantised) == len(row.change) == len(row.cells) ** 2 <= 48**2
        assert len(row.modalities) == len(row.cells)
    tokens = run.frame("tokens")
    assert set(tokens["modality"]) >= {"text", "image", "video"} and set(tokens["sample"]) == {0, 1, 2, 3}


def test_a_run_that_died_goes_on_and_is_not_made_twice(setting, runs, tmp_path, monkeypatch):
    store, write = RunStore(tmp_path), inspection.RunWriter.write_shard

    def dies(writer, begin, end, tables):
        if begin == 2:
            raise KeyboardInterrupt
        write(writer, begin, end, tables)

    monkeypatch.setattr(inspection.RunWriter, "write_shard", dies)
    with pytest.raises(KeyboardInterrupt):
        inspected(setting, pair("rtn", "w3a4"), store=store)
    monkeypatch.setattr(inspection.RunWriter, "write_shard", write)
    said = []
    (run,) = inspected(setting, pair("rtn", "w3a4"), store=store, progress=lambda *state: said.append(state))
    assert said[-3:] == [("looking inside", 0, 2), ("looking inside", 1, 2), ("looking inside", 2, 2)]
    assert run.run_id == runs[1].run_id
    for name in run.header.tables:
        assert run.table(name).to_pylist() == runs[1].table(name).to_pylist()
    monkeypatch.setattr(inspection, "_run", lambda *_: pytest.fail("ran again"))
    inspected(setting, pair("rtn", "w3a4"), store=store)


def test_bad_input_is_one_sentence(setting):
    with pytest.raises(BatchError, match="no samples"):
        inspected(setting, pair("rtn", "w4a4"), batches=[])
    with pytest.raises(ModelError, match="no block 7 .* allowed are 0 to 1"):
        inspected(setting, pair("rtn", "w4a4"), blocks=[1, 7])


@pytest.mark.parametrize("name", ["gemma3", "qwen2_5_vl", "qwen2_5_omni"])
def test_eager_attention_changes_no_answer_and_is_put_back(name):
    model, batch, _ = MODELS[name]()
    before = [config._attn_implementation for config in configs_in(model)]
    with torch.no_grad():
        fast = model(**batch).logits
        with pytest.raises(RuntimeError, match="stop"), eager_attention(model):
            slow = model(**batch).logits
            assert {config._attn_implementation for config in configs_in(model)} == {"eager"}
            raise RuntimeError("stop")
    kept = batch["attention_mask"].bool()
    assert torch.allclose(fast[kept], slow[kept], atol=1e-4)
    assert [config._attn_implementation for config in configs_in(model)] == before


def configs_in(model):
    return [module.config for module in model.modules() if hasattr(module, "config")]


def labels(*modalities):
    found = [slot(modality, Position.REST) for modality in modalities]
    return torch.tensor([slot(modalities[0], Position.FIRST), *found[1:]], dtype=torch.int8)


TEXT, IMAGE = Modality.TEXT, Modality.IMAGE


def test_cells_never_hold_two_modalities():
    modality = np.repeat([0, 1, 0, 2], [3, 50, 1, 30])
    starts = cells(modality, most=12)
    assert len(starts) <= 12 and starts[0] == 0
    for one, other in zip(starts, [*starts[1:], len(modality)], strict=True):
        assert len(set(modality[one:other])) == 1
    assert cells(np.zeros(5, int)).tolist() == [0, 1, 2, 3, 4]


def test_attention_that_moves_is_found_where_it_moves():
    places = Places.of(labels(TEXT, TEXT, IMAGE, IMAGE, IMAGE, TEXT))
    assert places.distance.tolist() == [2, 1, 1, 2, 1, 1]
    full = torch.tril(torch.ones(2, 6, 6))
    full = full / full.sum(-1, keepdim=True)
    other = full.clone()
    other[1, 4] = torch.tensor([0.2, 0.2, 0.0, 0.0, 0.6, 0.0])  # an image token lets go of two image tokens for itself
    assert moved(full, other)[1, 4] == pytest.approx(0.4)
    mean, *heads = maps(full, other, places)
    assert mean["head"] is None and mean["moved"] == pytest.approx(0.2 / 5) and [row["head"] for row in heads] == [1, 0]
    change = np.array(heads[0]["change"]).reshape(6, 6)
    assert change[4].tolist() == pytest.approx([0, 0, -0.2, -0.2, 0.4, 0], abs=1e-3) and not change[:4].any()
    rows = {(row["modality"], row["distance"]): row for row in by_distance(full, other, places)}
    assert set(rows) == {("text", 1), ("image", 1), ("image", 2)}
    near = rows["image", 1]
    assert near["rows"] == 4 and near["moved"] == pytest.approx(0.4) and rows["text", 1]["moved"] == 0
    # Position 1 alone is text and not the first token: rows 2 and 4 give it 1/3 and 1/5 in each head.
    assert near["other_full"] == near["other_quantised"] == pytest.approx(2 * (1 / 3 + 1 / 5))


def test_chosen_tokens_are_shared_among_modalities_without_the_first():
    slots = labels(*[TEXT] * 40, *[IMAGE] * 3)
    found = chosen_tokens(slots, 10)
    assert 0 not in found and len(found) == 8 and found[-3:] == [40, 41, 42]
    assert MODALITIES[int(slots[found[0]]) // 2] is TEXT


def test_principal_axes_are_those_of_full_precision():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(80, 6)) * [5, 3, 1, 0.1, 0.1, 0.1] + 7
    drawn = plane(full, full + [2, 0, 0, 0, 0, 0])
    variance = np.linalg.eigvalsh(np.cov(full.T, bias=True))[::-1]
    assert [row["share"] for row in drawn.axes] == pytest.approx((variance / variance.sum())[:3])
    assert [row["quantised_share"] for row in drawn.axes] == pytest.approx([row["share"] for row in drawn.axes])
    assert np.var(drawn.full, axis=0) == pytest.approx(variance[:3], rel=1e-4)
    assert drawn.axes[0]["error_share"] > 0.95 and np.median((drawn.quantised - drawn.full)[:, 0]) == pytest.approx(2, abs=0.1)
    assert plane(np.ones((4, 6)), np.ones((4, 6))) is None
