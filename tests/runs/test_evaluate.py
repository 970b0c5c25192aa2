import pytest
import torch
from fixtures.pairs import pairs
from fixtures.small_loaded import small_items, small_loaded

import morphoquant
from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.modality import Modality
from morphoquant.data.items import Item
from morphoquant.data.sample import Part, Sample
from morphoquant.queries.accuracy import accuracy
from morphoquant.queries.evaluations import calibration_of
from morphoquant.runs import evaluate as evaluating
from morphoquant.runs.evaluate import evaluate
from morphoquant.store.run_store import RunStore
from morphoquant.store.ship import ship

TEXTS = [("one", "A passage to read."), ("two", "Another one.")]
SCOPE = ("language", "vision", "audio", "connector")


@pytest.fixture(scope="module")
def loaded():
    return small_loaded()


def captured(loaded, store, items=8, keep_rows=16):
    batches = [loaded.encode([item.sample]) for item in small_items(items, seed=5)]
    return morphoquant.capture(
        loaded.model, batches, store=store, identity=loaded.identity, control=loaded.control, keep_rows=keep_rows
    )


@pytest.fixture(scope="module")
def setting(loaded, tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("cache"))
    return store, captured(loaded, store)


def evaluated(loaded, setting, *texts, items=None, **options):
    store, capture = setting
    captures = [capture] if texts else []
    return evaluate(loaded, items or small_items(8), pairs(*texts), store=store, captures=captures, **options)


def rows(run):
    return run.frame("answers").sort_values(["control", "item"]).reset_index(drop=True)


def too_long(number=99):
    """An item that the audio encoder cannot hear."""
    sound = Part(Modality.AUDIO, torch.zeros(16000 * 31).numpy())
    return Item(Sample(f"both/{number}", "both", (sound, Part(Modality.TEXT, "?")), "yes"), "both", ("yes", "no"))


def test_full_precision_comes_first_with_the_control(loaded, setting):
    full, rtn = evaluated(loaded, setting, "rtn@w4a4", texts=TEXTS)
    assert full.plan.method is None and full.plan.options == {"scope": []} and full.plan.capture is None
    assert rtn.plan.options == {"scope": ["language"]} and rtn.plan.capture == setting[1].run_id
    assert full.run_id.startswith("evaluate-") and rtn.run_id.startswith("evaluate-rtn-w4a4-")
    items = {item.id: item for item in small_items(8)}
    answers = rows(full)
    assert sorted(answers.loc[~answers["control"], "item"]) == sorted(items)
    assert set(answers.loc[answers["control"], "item"]) == {name for name, item in items.items() if item.subject != "text"}
    assert not rows(rtn)["control"].any()
    for row in answers.itertuples():
        assert tuple(row.choices) == items[row.item].choices and row.answer == items[row.item].answer
        assert len(row.log_likelihoods) == len(row.choices) and row.subject == items[row.item].subject
    assert not full.has("refused")


def test_the_control_shows_other_media(loaded, setting):
    answers = rows(evaluated(loaded, setting)[0]).set_index(["control", "item"])["log_likelihoods"]
    for name in answers[True].index:
        assert tuple(answers[True, name]) != tuple(answers[False, name])


def test_answers_and_perplexity_are_those_of_the_quantised_model(loaded, setting):
    """Against a plain forward with the weights and inputs rounded by hand."""
    _, rtn = evaluated(loaded, setting, "rtn@w8a16", texts=TEXTS)
    linears = [m for n, m in loaded.model.named_modules() if isinstance(m, torch.nn.Linear) and "language_model" in n]
    before = [linear.weight.detach().clone() for linear in linears]
    try:
        with torch.no_grad():
            for linear in linears:
                step = linear.weight.abs().amax(1, keepdim=True) / 127
                linear.weight.copy_((linear.weight / step).round() * step)
            ids = torch.tensor([loaded.answering.passage(TEXTS[0][1])])
            steps = loaded.model(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
            nll = -steps.gather(1, ids[0, 1:, None]).sum().item()
            item = small_items(1)[0]
            prompt = loaded.encode([item.sample], answers=False)
            first = loaded.model(**prompt).logits[0, -1].double().log_softmax(-1)
    finally:
        with torch.no_grad():
            for linear, weight in zip(linears, before, strict=True):
                linear.weight.copy_(weight)
    found = rtn.frame("perplexity").set_index("passage").loc["one"]
    assert found["tokens"] == ids.shape[1] - 1 and found["nll"] == pytest.approx(nll, rel=1e-5)
    likely = rows(rtn).set_index("item").loc[item.id, "log_likelihoods"]
    wanted = [first[loaded.tokenize(choice)[0]].item() for choice in item.choices]
    assert likely == pytest.approx(wanted, abs=1e-4)


def test_sixteen_bits_answer_as_full_precision_and_four_do_not(loaded, setting):
    full, same, low = evaluated(loaded, setting, "rtn@w16a16", "rtn@w3a3", scope=SCOPE)
    frame = accuracy([full, same, low], "subject").set_index(["run_id", "subject"])
    assert frame.loc[same.run_id, "kl"].max() < 1e-9 and (frame.loc[same.run_id, "agreement"] == 1).all()
    assert frame.loc[low.run_id, "kl"].min() > 1e-3


def test_one_pass_gives_what_single_passes_give(loaded, setting, tmp_path):
    together = evaluated(loaded, setting, "rtn@w4a4", "morphoquant@w4a4", "dabc@w4a8", texts=TEXTS)
    store = RunStore(tmp_path)
    capture = captured(loaded, store)
    for run, text in zip(together[1:], ["rtn@w4a4", "morphoquant@w4a4", "dabc@w4a8"], strict=True):
        _, alone = evaluated(loaded, (store, capture), text, texts=TEXTS)
        assert alone.run_id == run.run_id
        assert rows(alone).map(_plain).equals(rows(run).map(_plain))
        assert alone.frame("perplexity").equals(run.frame("perplexity"))


def test_methods_fitted_to_several_captures(loaded, setting, tmp_path):
    store, first = setting
    second = captured(loaded, store, items=5)
    runs = evaluate(loaded, small_items(4), pairs("rtn@w4a4", "dabc@w4a4"), store=store, captures=[first, second])
    plans = [(run.plan.method, run.plan.capture) for run in runs]
    assert plans == [
        (None, None),
        ("rtn", first.run_id),
        ("dabc", first.run_id),
        ("rtn", second.run_id),
        ("dabc", second.run_id),
    ]
    (_, alone) = evaluate(loaded, small_items(4), pairs("dabc@w4a4"), store=RunStore(tmp_path), captures=[second])
    assert rows(alone).map(_plain).equals(rows(runs[4]).map(_plain))


def test_a_run_names_its_calibration_data_and_can_be_read_without_the_capture(loaded, setting, tmp_path):
    store, capture = setting
    full, quantised = evaluated(loaded, setting, "rtn@w4a4", items=small_items(4))
    assert "calibration" not in full.header.summary
    elsewhere = RunStore(tmp_path)
    ship(quantised, elsewhere.roots[1], set())
    copy = elsewhere.open(quantised.run_id)
    assert calibration_of(elsewhere, copy) == calibration_of(store, quantised) == capture.plan.data["id"]


def test_equal_plans_answer_from_the_cache(loaded, setting, monkeypatch):
    runs = evaluated(loaded, setting, "rtn@w4a4")
    monkeypatch.setattr(evaluating, "_finish", lambda *_: pytest.fail("ran again"))
    assert [run.run_id for run in evaluated(loaded, setting, "rtn@w4a4")] == [run.run_id for run in runs]
    assert evaluated(loaded, setting, control=False)[0].run_id == runs[0].run_id


def test_without_the_control_is_a_run_of_its_own(loaded, setting, tmp_path):
    store = RunStore(tmp_path)
    (plain,) = evaluate(loaded, small_items(8), store=store, control=False)
    assert not rows(plain)["control"].any()
    (whole,) = evaluate(loaded, small_items(8), store=store)
    assert whole.run_id != plain.run_id and rows(whole)["control"].any()
    quantised = evaluated(loaded, setting, "rtn@w4a4", items=small_items(8))[1]
    assert len(accuracy([plain, quantised], "subject")) == 8


def test_interrupted_resumes_at_the_last_whole_shard(loaded, setting, tmp_path, monkeypatch):
    items = [*small_items(7), too_long()]
    whole = evaluated(loaded, setting, "rtn@w4a4", items=items, texts=TEXTS)
    store = RunStore(tmp_path)
    capture = captured(loaded, store)
    monkeypatch.setattr(evaluating, "SHARD", 2)
    asked, ask = [], evaluating.log_likelihoods

    def dies(model, questions, *how):
        asked.append(len(questions))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return ask(model, questions, *how)

    monkeypatch.setattr(evaluating, "log_likelihoods", dies)
    with pytest.raises(KeyboardInterrupt):
        evaluated(loaded, (store, capture), "rtn@w4a4", items=items, texts=TEXTS)
    parts = evaluated(loaded, (store, capture), "rtn@w4a4", items=items, texts=TEXTS)
    assert sum(asked) == sum(len(rows(run)) for run in whole) + asked[3]
    for run, other in zip(parts, whole, strict=True):
        assert run.run_id == other.run_id
        assert rows(run).map(_plain).equals(rows(other).map(_plain))
        assert run.frame("refused").equals(other.frame("refused"))


def test_refused_items_leave_the_others_whole(loaded, setting):
    full, rtn = evaluated(loaded, setting, "rtn@w4a4", items=[*small_items(4), too_long(), *small_items(8)[4:]])
    plain = evaluated(loaded, setting, "rtn@w4a4")
    assert rows(rtn).map(_plain).equals(rows(plain[1]).map(_plain))
    for run in (full, rtn):
        (refused,) = run.frame("refused").itertuples()
        assert refused.item == "both/99" and "31.0 s" in refused.reason
        assert set(rows(run)["item"]) == {item.id for item in small_items(8)}


def test_towers_run_once_for_all_methods(loaded, setting, tmp_path):
    ran = []
    handle = loaded.model.model.vision_tower.embeddings.register_forward_hook(lambda *_: ran.append(1))
    store = RunStore(tmp_path)
    evaluate(loaded, small_items(8), pairs("rtn@w4a4", "dabc@w4a4"), store=store, captures=[setting[1]], control=False)
    handle.remove()
    assert len(ran) == sum(item.subject != "text" for item in small_items(8))


def test_progress_ends_where_it_says(loaded, setting, tmp_path):
    seen = []
    evaluate(loaded, small_items(4), store=RunStore(tmp_path), progress=lambda *state: seen.append(state))
    told = [state for state in seen if state[0] == "evaluating"]
    assert told[0][1] == 0 and told[-1][1] == told[-1][2] == 8


def test_bad_input_is_one_sentence(loaded, setting, tmp_path):
    store, capture = setting
    with pytest.raises(BatchError, match="no items to evaluate"):
        evaluate(loaded, [], store=store)
    with pytest.raises(BatchError, match="identifier 'letters/0'"):
        evaluate(loaded, small_items(1) * 2, store=store)
    with pytest.raises(BatchError, match="none of the 1 items can be asked; the first: an audio part lasts"):
        evaluate(loaded, [too_long()], store=RunStore(tmp_path))
    with pytest.raises(ModelError, match="unknown scope hearing"):
        evaluate(loaded, small_items(1), store=store, scope=["hearing"])
    with pytest.raises(ModelError, match="capture the model first"):
        evaluate(loaded, small_items(1), pairs("rtn@w4a4"), store=store)
    with pytest.raises(BatchError, match="passage 'short' has"):
        evaluate(loaded, small_items(1), store=RunStore(tmp_path), texts=[("short", "a")])


def _plain(value):
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value
