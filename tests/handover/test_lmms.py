"""The small model of all modalities, asked through lmms-eval's own evaluator."""

import handover.needs_lmms  # noqa: F401
import pytest
import torch
from fixtures.small_loaded import small_loaded
from handover.ground import SCOPE
from handover.local_task import write_tasks
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.models import get_model
from lmms_eval.tasks import TaskManager
from loguru import logger

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.spec import QuantSpec
from morphoquant.handover.served import ServedChat, ServedSimple
from morphoquant.methods.options import parse_method
from morphoquant.quant.linear import QuantizedLinear
from morphoquant.runs.evaluate import evaluate
from morphoquant.runs.fitting import fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.quantised_model import quantised_model
from morphoquant.runs.scope import parts_of
from morphoquant.store.run_store import RunStore

pytestmark = pytest.mark.slow
METHODS = [None, "rtn", "morphoquant:lam=1.5", "morphomodal:masks=each"]  # the last must know the modality of every row


def words(ground, method):
    given = {"method": method, "capture": ground.capture.run_id, "scope": "+".join(SCOPE), "cache": str(ground.cache)}
    return given if method else {}


def run(served, tasks, ground, **more):
    manager = TaskManager("ERROR", str(ground.tasks), include_defaults=False, model_name="morphoquant")
    return simple_evaluate(model=served, tasks=tasks, task_manager=manager, bootstrap_iters=0, **more)


def said(results, task):
    return [one["filtered_resps"][0] for one in sorted(results["samples"][task], key=lambda one: one["doc_id"])]


def fits_of(loaded, ground, method):
    inputs = CalibrationInputs(ground.capture, loaded.model, parts_of(SCOPE))
    return fit([(parse_method(method), QuantSpec.parse("w4a4"))], inputs)[0]


def by_hand(loaded, item, tokens):
    """The likeliest token at every step, each in a whole forward of its own."""
    batch = dict(loaded.encode([item.sample], answers=False))
    start = batch["input_ids"].shape[1]
    while batch["input_ids"].shape[1] < start + tokens:
        with torch.no_grad():
            step = loaded.model(**batch).logits[:, -1].argmax(-1, keepdim=True)
        batch["input_ids"] = torch.cat([batch["input_ids"], step], 1)
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        if step.item() == loaded.end_of_turn:
            break
    return loaded.answering.tokenizer.decode(batch["input_ids"][0, start:], skip_special_tokens=True)


@pytest.fixture(scope="module")
def answers(ground):
    """What the chat interface answers, by method."""
    return {m: said(run(ServedChat(small_loaded(), **words(ground, m)), ["local_chat"], ground), "local_chat") for m in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_answers_are_the_likeliest_tokens_of_the_model_that_was_asked_for(ground, answers, method):
    loaded = small_loaded()
    with quantised_model(loaded.model, fits_of(loaded, ground, method) if method else {}, loaded.control):
        expected = [by_hand(loaded, item, 6) for item in ground.items]
    assert [one.strip() for one in expected] == [one.strip() for one in answers[method]]


def test_methods_answer_differently_and_media_are_looked_at(answers):
    assert len({tuple(found) for found in answers.values()}) == len(METHODS)
    assert len(set(answers[None])) > 4


@pytest.mark.parametrize("served", [ServedSimple, ServedChat])
def test_a_task_without_messages_of_its_own_is_answered_alike(ground, answers, served):
    found = run(served(small_loaded(), **words(ground, "rtn")), ["local_words"], ground)
    assert said(found, "local_words") == answers["rtn"]


def test_media_that_lmms_eval_cannot_put_into_messages_point_to_the_other_interface(ground, tmp_path):
    folder = write_tasks(tmp_path, ground.items)
    with (folder / "functions.py").open("a") as functions:
        functions.write("\n\nclass Decoder: ...\n\n\ndef to_visual(doc):\n    return [Decoder()]\n")
    with pytest.raises(BatchError, match="Unsupported visual type: .*Decoder.*: add --force_simple"):
        run(ServedChat(small_loaded()), ["local_words"], _with(ground, folder))


@pytest.mark.parametrize("method", [None, "rtn", "morphomodal:masks=each"])
def test_likelihoods_are_those_that_evaluate_stores(ground, method):
    pairs = [(parse_method(method), QuantSpec.parse("w4a4"))] if method else []
    store = RunStore(ground.cache)
    stored = evaluate(small_loaded(), ground.items, pairs, store=store, captures=[ground.capture], scope=SCOPE, control=False)[-1]
    rows = {row["item"]: row for row in stored.table("answers").to_pylist()}
    asked = run(ServedSimple(small_loaded(), **words(ground, method)), ["local_choices", "local_likely"], ground, batch_size=2)
    right = 0
    for sample in asked["samples"]["local_choices"]:
        row = rows[sample["doc"]["id"]]
        assert [-loss for loss, _ in sample["filtered_resps"]] == pytest.approx(row["log_likelihoods"], abs=1e-4)
        right += row["log_likelihoods"].index(max(row["log_likelihoods"])) == row["answer"]
    assert asked["results"]["local_choices"]["acc,none"] == right / len(ground.items)
    for sample in asked["samples"]["local_likely"]:
        row = rows[sample["doc"]["id"]]
        if row["task"] != "moves":  # there "no" begins "none": choices end with the turn, a target alone does not
            assert sample["likely"] == pytest.approx(row["log_likelihoods"][row["answer"]], abs=1e-4)


def test_a_target_that_the_model_would_say_is_greedy(ground, tmp_path):
    loaded = small_loaded()
    first = loaded.answering.tokenizer.decode([_first_token(loaded, ground.items[0])])
    item = ground.items[0]
    asked = type(item)(type(item.sample)(item.id, "letters", item.sample.parts, first), "letters", (first, "b", "c", "d"))
    found = run(ServedSimple(loaded), ["local_choices"], _with(ground, write_tasks(tmp_path, [asked])))
    assert [greedy for _, greedy in found["samples"]["local_choices"][0]["filtered_resps"]] == [True, False, False, False]
    assert found["results"]["local_choices"]["exact_match,none"] == 1


def test_the_linears_come_back_when_lmms_eval_is_done(ground):
    loaded = small_loaded()
    before = dict(loaded.model.named_modules())
    served = ServedChat(loaded, **words(ground, "rtn"))
    active = [name for name, module in loaded.model.named_modules() if isinstance(module, QuantizedLinear)]
    assert set(active) == set(ground.capture.frame("layers").query("component in @SCOPE")["layer"])
    run(served, ["local_chat"], ground, limit=1)
    assert dict(loaded.model.named_modules()) == before
    with pytest.raises(ModelError, match="make it anew"):
        run(served, ["local_chat"], ground, limit=1)


def test_answers_end_at_the_texts_of_the_task(ground, answers):
    whole = answers[None][0]
    stop = whole[2]
    assert whole.index(stop) > 0
    short = run(ServedChat(small_loaded()), ["local_chat"], ground, limit=1, gen_kwargs=f"until={stop}")
    assert said(short, "local_chat") == [whole[: whole.index(stop)]]
    counts = short["samples"]["local_chat"][0]["token_counts"][0]
    assert 0 < counts["output_tokens"] < 6 and counts["input_tokens"] > 10


def test_an_item_that_cannot_be_read_leaves_the_others_whole(ground, answers, tmp_path):
    folder = write_tasks(tmp_path, ground.items)
    (folder / "media" / "1-0.png").write_bytes(b"no picture")
    (folder / "media" / "3-1.flac").unlink()
    sentences = []
    handle = logger.add(lambda line: sentences.append(str(line)), level="WARNING", format="{message}")
    found = said(run(ServedChat(small_loaded()), ["local_chat"], _with(ground, folder)), "local_chat")
    logger.remove(handle)
    assert found == ["" if place in (1, 3) else one for place, one in enumerate(answers[None])]
    told = [line.strip() for line in sentences if "counts as answered wrong" in line]
    assert len(told) == 2 and told[0].startswith("local_chat/test/1 ") and "corrupt" in told[0] and "there is no sound" in told[1]


def test_a_run_in_which_nothing_can_be_asked_fails(ground, tmp_path):
    folder = write_tasks(tmp_path, ground.items[1:2])
    (folder / "media" / "0-0.png").unlink()
    with pytest.raises(BatchError, match="none of the 1 items can be asked; the first: there is no file '0-0.png'"):
        run(ServedChat(small_loaded()), ["local_chat"], _with(ground, folder))


def test_likelihoods_through_the_chat_interface_are_refused_by_lmms_eval(ground):
    with pytest.raises(AssertionError, match="used for generation only"):
        run(ServedChat(small_loaded()), ["local_choices"], ground)


def test_lmms_eval_knows_the_name():
    assert get_model("morphoquant") is ServedChat
    assert get_model("morphoquant", force_simple=True) is ServedSimple


def test_what_nothing_here_answers_is_one_sentence(ground):
    served = ServedChat(small_loaded())
    with pytest.raises(BatchError, match="choose tasks that ask once"):
        served.generate_until_multi_round([])
    with pytest.raises(BatchError, match="add --force_simple"):
        served.loglikelihood([])


def _first_token(loaded, item):
    batch = loaded.encode([item.sample], answers=False)
    with torch.no_grad():
        return loaded.model(**batch).logits[0, -1].argmax().item()


def _with(ground, tasks):
    return type(ground)(ground.cache, ground.capture, ground.items, tasks)
