from copy import deepcopy

import numpy as np
import pytest
import torch
from fixtures.pairs import pairs
from fixtures.tiny_omni import CONTROL, tiny_batches, tiny_model

import morphoquant
from morphoquant.core.errors import BatchError, ModelError, SpecError
from morphoquant.methods.base import GroupFit
from morphoquant.methods.options import make_method
from morphoquant.quant.linear import quantized
from morphoquant.runs import quantize as quantizing
from morphoquant.runs.fitting import fit
from morphoquant.runs.group_parts import Found
from morphoquant.runs.identity import model_identity
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.scope import parts_of
from morphoquant.store.run_store import RunStore

DOWN = "model.language_model.layers.1.mlp.down_proj"
SCOPE = ("language", "vision", "audio", "connector")


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def setting(model, tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("cache"))
    return store, morphoquant.capture(model, tiny_batches(6), store=store, control=CONTROL, keep_rows=32)


def measured(model, setting, *texts, batches=None, **options):
    store, run = setting
    data = {"id": "tiny", "fingerprint": "x", "samples": 4}
    batches = batches or tiny_batches(4, seed=9)
    return morphoquant.quantize(
        model, run, batches, pairs(*texts), store=store, identity=model_identity(model), data=data, control=CONTROL, **options
    )


def test_errors_are_those_computed_by_hand(model, setting):
    (run,) = measured(model, setting, "rtn@w4a4-token")
    rows = []
    linear = model.get_submodule(DOWN)
    handle = linear.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].reshape(-1, 64).clone()))
    with torch.no_grad():
        for batch in tiny_batches(4, seed=9):
            model(**batch)
    handle.remove()
    x, w = torch.cat(rows), linear.weight.detach()
    step = x.abs().amax(1, keepdim=True) / 7
    xq = (x / step).round().clamp(-8, 7) * step
    scale = w.abs().amax(1, keepdim=True) / 7
    wq = (w / scale).round().clamp(-8, 7) * scale
    wanted = {
        ("input", "activation"): (x, xq),
        ("output", "weight"): (x @ w.T, x @ wq.T),
        ("output", "activation"): (x @ w.T, xq @ w.T),
        ("output", "both"): (x @ w.T, xq @ wq.T),
    }
    errors = run.frame("errors", where={"layer": DOWN})
    sums = errors.groupby(["tap", "source"])[["signal_sq", "error_sq", "tokens"]].sum()
    assert set(sums.index) == set(wanted)
    for key, (exact, rounded) in wanted.items():
        assert sums.loc[key, "signal_sq"] == pytest.approx(float(exact.double().square().sum()), rel=1e-5)
        assert sums.loc[key, "error_sq"] == pytest.approx(float((rounded - exact).double().square().sum()), rel=1e-4)
        assert sums.loc[key, "tokens"] == len(x)
    assert not run.has("grids")


def test_clipping_and_rounding_add_up_and_grids_agree_with_use(model, setting):
    run = measured(model, setting, "morphoquant@w4a4")[0]
    errors = run.frame("errors", where={"tap": "input"})
    assert (errors["clip_sq"] + errors["round_sq"]).to_numpy() == pytest.approx(errors["error_sq"].to_numpy(), rel=1e-6)
    use = run.frame("grid_use").groupby(["group", "modality", "position"])[["signal_sq", "clip_sq", "round_sq", "bypassed"]].sum()
    use.index.names = ["layer", "modality", "position"]
    both = errors.set_index(["layer", "modality", "position"]).join(use.add_suffix("_use"))
    assert both["signal_sq"].to_numpy() == pytest.approx(both["signal_sq_use"].to_numpy(), rel=1e-6)
    assert both["bypassed"].tolist() == both["bypassed_use"].tolist()
    grids = run.frame("grids")
    assert set(grids["group"]) == set(run.frame("layers")["group"])
    assert grids.loc[grids["group"] == DOWN, "masked"].all()


def test_one_pass_for_many_methods_gives_what_single_passes_give(model, setting, tmp_path):
    texts = ["rtn@w4a4", "dabc@w4a4", "mdqfo@w4a4", "morphoquant@w4a8"]
    together = measured(model, setting, *texts)
    other_store = RunStore(tmp_path)
    capture = morphoquant.capture(model, tiny_batches(6), store=other_store, control=CONTROL, keep_rows=32)
    for text, run in zip(texts, together, strict=True):
        (alone,) = measured(model, (other_store, capture), text)
        assert alone.run_id == run.run_id
        assert alone.frame("errors").equals(run.frame("errors"))


def test_more_bits_less_error(model, setting):
    runs = measured(model, setting, "rtn@w8a8", "rtn@w4a4")
    errors = [run.frame("errors", where={"tap": "output", "source": "both"})["error_sq"].sum() for run in runs]
    assert errors[0] < errors[1] / 20


def test_sixteen_bits_leave_the_logits(model, setting):
    inputs = CalibrationInputs(setting[1], model, SCOPE)
    batch = tiny_batches(1, seed=3)[0]
    with torch.no_grad():
        exact = model(**batch).logits
        for fits in fit(pairs("rtn@w16a16", "morphoquant@w16a16"), inputs):
            with quantized(model, fits):
                assert torch.allclose(model(**batch).logits, exact, atol=1e-6)
        (low,) = fit(pairs("rtn@w3a3"), inputs)
        with quantized(model, low):
            assert not torch.allclose(model(**batch).logits, exact, atol=1e-2)
        assert torch.equal(model(**batch).logits, exact)


def test_interrupted_run_resumes_to_the_same_sums(model, setting, tmp_path, monkeypatch):
    (whole,) = measured(model, setting, "dabc@w4a4")
    store = RunStore(tmp_path)
    capture = morphoquant.capture(model, tiny_batches(6), store=store, control=CONTROL, keep_rows=32)
    monkeypatch.setattr(quantizing, "SHARD", 1)
    write = quantizing.RunWriter.write_shard

    def dies(writer, begin, end, tables):
        if begin == 2:
            raise KeyboardInterrupt
        write(writer, begin, end, tables)

    monkeypatch.setattr(quantizing.RunWriter, "write_shard", dies)
    with pytest.raises(KeyboardInterrupt):
        measured(model, (store, capture), "dabc@w4a4")
    monkeypatch.setattr(quantizing.RunWriter, "write_shard", write)
    (parts,) = measured(model, (store, capture), "dabc@w4a4")
    assert parts.run_id == whole.run_id
    keys = ["layer", "modality", "position", "tap", "source"]
    one, other = (run.frame("errors").sort_values(keys).reset_index(drop=True) for run in (whole, parts))
    assert one[[*keys, "tokens", "bypassed"]].equals(other[[*keys, "tokens", "bypassed"]])
    for name in ("signal_sq", "error_sq", "cosine_sum", "cosine_min", "clip_sq", "round_sq"):
        assert other[name].to_numpy(float) == pytest.approx(one[name].to_numpy(float), rel=1e-6, nan_ok=True, abs=1e-12)
    use = [run.frame("grid_use")[["clipped", "bypassed", "count"]].sum().tolist() for run in (whole, parts)]
    assert use[0] == use[1]


def test_absent_modality_has_no_row(model, setting):
    texts = [batch for batch in tiny_batches(4, seed=9) if "pixel_values" not in batch]
    store, run = setting
    data = {"id": "text", "fingerprint": "y", "samples": 2}
    (done,) = morphoquant.quantize(
        model, run, texts, pairs("morphoquant@w4a4"), store=store, identity=model_identity(model), data=data, control=CONTROL
    )
    assert set(done.frame("errors")["modality"]) == {"text", "special"}


def test_bad_input_is_one_sentence(model, setting):
    with pytest.raises(ModelError, match="unknown scope hearing"):
        measured(model, setting, "rtn@w4a4", scope=["hearing"])
    with pytest.raises(SpecError):
        measured(model, setting, "morphoquant@w4a4-token")
    with pytest.raises(SpecError, match="17"):
        measured(model, setting, "rtn@w4a4-g17")
    other = tiny_model()
    torch.nn.init.zeros_(other.lm_head.weight)
    with pytest.raises(ModelError, match="another model"):
        measured(other, setting, "rtn@w4a4")


def test_nan_is_one_sentence_that_names_the_layer(model, setting):
    batch = tiny_batches(1)[0]
    batch["pixel_values"][0, 0, 0, 0] = float("nan")
    with pytest.raises(BatchError, match="input of model.vision_tower.* holds NaN"):
        measured(model, setting, "rtn@w5a5", batches=[batch])


def test_scope_limits_the_layers(model, setting):
    (run,) = measured(model, setting, "rtn@w4a4", scope=["vision"])
    assert set(run.frame("layers")["component"]) == {"vision"}
    assert np.isfinite(run.frame("errors")["error_sq"]).all()


def test_number_formats_leave_no_grids_and_say_what_is_clipped_and_bypassed(model, setting):
    texts = ["rtn@w4a4-mxfp4", "rtn@w4a4-nf4-ahif4", "dabc@w4a4-mxfp4", "rtn@w16a8-e4m3"]
    plain, mixed, bypassing, wide = measured(model, setting, *texts)
    for run in (plain, mixed, bypassing, wide):
        assert run.header.status == "finished" and not run.has("grids") and not run.has("grid_use")
        errors = run.frame("errors")
        assert (errors["error_sq"] < errors["signal_sq"]).all()
    inputs = [run.frame("errors", where={"tap": "input"}) for run in (plain, bypassing)]
    assert inputs[0]["clip_sq"].sum() > 0, "what lies in (7, 8) scales of MXFP4"
    assert (inputs[1]["bypassed"] > 0).any() and bypassing.header.summary["bypass_density_of_fit"] > 0
    assert inputs[1]["error_sq"].sum() < inputs[0]["error_sq"].sum()
    assert set(wide.frame("errors")["source"]) == {"activation", "both"}


def test_outputs_are_judged_in_the_basis_of_the_model_and_the_run_says_what_it_cost(model, setting):
    """Every method has the same signal, whatever basis it quantises in."""
    runs = measured(
        model, setting, "rtn@w4a4-token", "osplus:shift=always@w4a4-token", "quarot@w4a4-token", "llm_int8@w4a4-token"
    )
    signals = [run.frame("errors", where={"tap": "output", "source": "both"})["signal_sq"].sum() for run in runs]
    assert signals == pytest.approx([signals[0]] * 4, rel=1e-12)
    plain, shifted, turned, mixed = (run.header.summary["cost"] for run in runs)
    assert plain["extra_macs_percent"] == plain["extra_bytes"] == 0 and plain["deployable"]
    assert shifted["calibration_seconds"] > 0 and shifted["extra_macs_percent"] > 0
    assert turned["extra_macs_percent"] > shifted["extra_macs_percent"] / 10 and mixed["deployable"]


@pytest.mark.parametrize("text", ["smoothquant", "osplus:shift=always", "quarot", "atom", "awq:clip=false"])
def test_a_change_of_basis_leaves_the_full_precision_model_as_it_is(model, setting, text):
    """Also with towers and connectors: the last hidden states in float64."""
    _, run = setting
    inputs = CalibrationInputs(run, model, parts_of(SCOPE))
    (fits,) = fit(pairs(f"{text}@w4a4-token"), inputs)
    wide = deepcopy(model).double()
    batch = {name: v.double() if v.is_floating_point() else v for name, v in tiny_batches(1, seed=9)[0].items()}
    with torch.no_grad():
        before = wide(**batch)
        with quantized(wide, fits, weights=False, activations=False):
            after = wide(**batch)
    before, after = (getattr(out, "logits", out) for out in (before, after))
    assert float((after - before).abs().max()) < 1e-9 * float(before.abs().max())


def test_combined_methods_run_like_any_other(model, setting):
    runs = measured(model, setting, "quarot+mdqfo@w4a4", "smoothquant+gptq+morphoquant@w4a4")
    store, _ = setting
    for run, name in zip(runs, ("quarot-mdqfo-w4a4", "smoothquant-gptq-morphoquant-w4a4"), strict=True):
        assert run.run_id.startswith(name) and run.has("grids") and run.has("grid_use")
        assert store.open(run.run_id).plan.fields["quarot.seed" if "quarot" in name else "smoothquant.alpha"] is not None
        assert make_method(run.plan.method, run.plan.fields).options() == run.plan.fields
        assert np.isfinite(run.frame("errors")["error_sq"]).all()


def test_the_bypass_density_of_a_fit_is_a_share_of_values_and_not_of_groups():
    widths = {"wide": (30, 0.0), "narrow": (10, 0.4), "without a correction": (100, None)}
    fits = {n: GroupFit(n, {n: torch.zeros(2, k)}, bypass_density=density) for n, (k, density) in widths.items()}
    found = Found.of(fits)
    assert (found.bypassed, found.values) == (pytest.approx(4.0), 40)
