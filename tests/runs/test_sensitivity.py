import pytest
import torch
from fixtures.small_loaded import small_items, small_loaded

import morphoquant
from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.options import parse_method
from morphoquant.quant.linear import quantized
from morphoquant.queries.sensitivity import sensitivity as ranked
from morphoquant.runs import sensitivity as sensing
from morphoquant.runs.answers import Asker, log_likelihoods
from morphoquant.runs.fitting import fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.keeping import blocks_of
from morphoquant.runs.scope import parts_of
from morphoquant.runs.sensitivity import forwards, sensitivity
from morphoquant.store.run_store import RunStore

SCOPE = ("language", "vision", "audio", "connector")
PAIR = parse_method("rtn"), QuantSpec.parse("w3a4")
KEYS = ["group", "subject"]


@pytest.fixture(scope="module")
def loaded():
    return small_loaded()


def captured(loaded, store):
    batches = [loaded.encode([item.sample]) for item in small_items(8, seed=5)]
    return morphoquant.capture(loaded.model, batches, store=store, identity=loaded.identity, control=loaded.control, keep_rows=8)


@pytest.fixture(scope="module")
def setting(loaded, tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("cache"))
    return store, captured(loaded, store)


def measured(loaded, setting, items=None, **options):
    store, capture = setting
    return sensitivity(loaded, items or small_items(8), *PAIR, store=store, capture=capture, **options)


def frame(run):
    return run.frame("sensitivity").fillna({"group": "all"}).set_index(KEYS).sort_index()


@pytest.mark.parametrize("scope", [("language",), pytest.param(SCOPE, marks=pytest.mark.slow)])
def test_each_group_is_what_it_does_alone(loaded, setting, scope):
    """Against plain forwards, without anything kept."""
    found = frame(measured(loaded, setting, scope=scope))
    (fits,) = fit([PAIR], CalibrationInputs(setting[1], loaded.model, parts_of(scope)))
    questions = [Asker(loaded)(item) for item in small_items(8)]
    full = log_likelihoods(loaded.model, questions)
    assert set(found.index.get_level_values("group")) == {*fits, "all"}
    for group in [*fits, "all"]:
        with quantized(loaded.model, fits if group == "all" else {group: fits[group]}):
            other = log_likelihoods(loaded.model, questions)
        for subject in ("text", "image", "video", "cross-modal"):
            kl, agree, right, full_right, items = 0.0, 0, 0, 0, 0
            for question, before, after in zip(questions, full, other, strict=True):
                if question.item.subject == subject:
                    p, q = (torch.tensor(values, dtype=torch.float64).softmax(0) for values in (before, after))
                    kl += float((p * (p / q).log()).sum())
                    agree += int(p.argmax() == q.argmax())
                    right += int(q.argmax()) == question.item.answer
                    full_right += int(p.argmax()) == question.item.answer
                    items += 1
            row = found.loc[(group, subject)]
            assert row["kl"] == pytest.approx(kl, rel=1e-6, abs=1e-9)
            assert [row["items"], row["agree"], row["right"], row["full_right"]] == [items, agree, right, full_right]
    assert found.loc["all"]["kl"].sum() > 0


def test_groups_that_an_item_does_not_reach_change_nothing(loaded, setting):
    found = frame(measured(loaded, setting, scope=SCOPE)).reset_index()
    vision = found[found["component"] == "vision"]
    assert (vision.loc[vision["subject"] == "text", "kl"] == 0).all()
    assert (vision.loc[vision["subject"] == "image", "kl"] > 0).any()


def test_plan_names_and_places(loaded, setting):
    run = measured(loaded, setting)
    assert run.run_id.startswith("sensitivity-rtn-w3a4-") and run.plan.options == {"scope": ["language"]}
    table = frame(run).reset_index()
    alone = table[table["group"] != "all"]
    assert set(alone["component"]) == {"language"} and set(alone["block"]) == {0, 1}
    assert table.loc[table["group"] == "all", ["component", "role"]].isna().all(axis=None)
    assert ranked(run)["kl"].max() > 0


def test_blocks_ahead_are_not_run_again(loaded, setting, tmp_path):
    layers = loaded.model.model.language_model.layers
    counts = {0: [], 1: []}
    handles = [layers[block].mlp.register_forward_hook(lambda *_, seen=seen: seen.append(1)) for block, seen in counts.items()]
    run = measured(loaded, (RunStore(tmp_path), setting[1]), items=small_items(1))
    for handle in handles:
        handle.remove()
    groups = run.frame("sensitivity")["block"].value_counts()
    # Full precision, each of its own groups, and all at once; behind block 0, block 1 runs whenever block 0 changed.
    assert len(counts[0]) == 1 + groups[0] + 1
    assert len(counts[1]) == 1 + groups[0] + groups[1] + 1


def test_number_of_forwards_is_told_before_the_first(loaded, setting, tmp_path):
    said, ran = [], []
    handle = loaded.model.register_forward_hook(lambda *_: ran.append(1))
    measured(
        loaded, (RunStore(tmp_path), setting[1]), items=small_items(4), progress=lambda *state: said.append((*state, len(ran)))
    )
    handle.remove()
    stages = {stage for stage, *_ in said if "forwards" in stage}
    assert stages == {f"8 groups, {len(ran)} forwards"}
    rows = sum(len(Asker(loaded)(item).rows) for item in small_items(4))
    assert len(ran) == forwards(8, rows)


def test_resumed_and_limited_runs_give_the_same(loaded, setting, tmp_path, monkeypatch):
    whole = measured(loaded, setting)
    monkeypatch.setattr(sensing, "SHARD", 3)
    store = RunStore(tmp_path)
    write = sensing.RunWriter.write_shard

    def dies(writer, begin, end, tables):
        if begin == 3:
            raise KeyboardInterrupt
        write(writer, begin, end, tables)

    monkeypatch.setattr(sensing.RunWriter, "write_shard", dies)
    with pytest.raises(KeyboardInterrupt):
        measured(loaded, (store, setting[1]), keep_bytes=1000)
    monkeypatch.setattr(sensing.RunWriter, "write_shard", write)
    parts = measured(loaded, (store, setting[1]), keep_bytes=1000)
    assert parts.run_id == whole.run_id
    one, other = frame(whole), frame(parts)
    assert one.drop(columns="kl").equals(other.drop(columns="kl"))
    assert other["kl"].to_numpy() == pytest.approx(one["kl"].to_numpy(), rel=1e-9, abs=1e-12)
    monkeypatch.setattr(sensing, "_run", lambda *_: pytest.fail("ran again"))
    assert measured(loaded, (store, setting[1])).run_id == whole.run_id


def test_blocks_are_found_in_every_part(loaded):
    linears = [name for name, module in loaded.model.named_modules() if isinstance(module, torch.nn.Linear)]
    found = blocks_of(loaded.model, linears)
    assert {"model.vision_tower", "model.audio_tower", "model.language_model.layers.1"} <= set(found)
    assert blocks_of(loaded.model, ["model.language_model.layers.1.mlp.down_proj"]) == ["model.language_model.layers.1"]


def test_bad_input_is_one_sentence(loaded, setting):
    store, capture = setting
    with pytest.raises(BatchError, match="no items to ask"):
        sensitivity(loaded, [], *PAIR, store=store, capture=capture)
    with pytest.raises(ModelError, match="unknown scope hearing"):
        measured(loaded, setting, scope=["hearing"])
