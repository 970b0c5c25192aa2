import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_omni import small_folder, small_omni

from morphoquant.core.errors import ModelError
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Part, Sample
from morphoquant.models.embedded import tasks
from morphoquant.models.embedded.compose import Composer
from morphoquant.models.embedded.features import features_of
from morphoquant.models.embedded.processor import OmniDemoProcessor
from morphoquant.models.embedded.recipe import Recipe
from morphoquant.models.embedded.tasks import POOLS, TASKS, draw_item
from morphoquant.models.embedded.train import train
from morphoquant.models.embedded.weights import CONNECTOR_PARTS, build_model, save_connectors

SMALL = Recipe(reading=2, steps=4, batch=3, items=30, held_out=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_folder(tmp_path_factory.mktemp("converted"))


@pytest.fixture(scope="module")
def features(folder, tmp_path_factory):
    kept = tmp_path_factory.mktemp("features")
    model = build_model(folder, connectors=None)
    return {name: features_of(model.model, name, "evaluation", 3, 0, kept) for name in POOLS}


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    results = train(SMALL, folder, tmp_path_factory.mktemp("work"), out, device="cpu", workers=0, minutes=9)
    return out, results


@pytest.mark.parametrize("name", TASKS)
def test_training_reads_what_the_processor_makes(folder, features, name):
    """Logits at the answer, from kept features and a kept opening, are those of the model's own forward."""
    model, processor = build_model(folder, connectors=None), OmniDemoProcessor.from_folder(folder)
    torch.nn.init.normal_(model.model.frame_order.weight)
    answers = {pool: found.answers for pool, found in features.items()}
    turns = [TASKS[name].make(np.random.default_rng(seed), answers) for seed in range(2)]
    samples = [Sample(str(i), name, tuple(part_of(part) for part in parts), answer) for i, (parts, answer) in enumerate(turns)]
    batch = processor(samples)
    with torch.inference_mode():
        logits, wanted = Composer(model, processor, features)(turns)
        whole = model(**batch).logits
    expected, tokens = [], []
    for row, (_, answer) in enumerate(turns):
        length = int(batch["attention_mask"][row].sum()) - 1  # the newline after the end of the turn
        spoken = len(processor.tokenizer(answer)["input_ids"]) + 1
        expected.append(whole[row, length - spoken - 1 : length - 1])
        tokens.append(batch["input_ids"][row, length - spoken : length])
    assert wanted.tolist() == torch.cat(tokens).tolist()
    torch.testing.assert_close(logits, torch.cat(expected), atol=2e-3, rtol=2e-3)


def part_of(part):
    if isinstance(part, str):
        return Part(Modality.TEXT, part)
    return Part(POOLS[part[0]].modality, draw_item(part[0], "evaluation", 0, part[1])[0])


def test_writes_connectors_log_and_card(trained, folder):
    out, results = trained
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "connectors.safetensors", "training.jsonl"]
    lines = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    assert [line["reading"] for line in lines[:1]] == [2] and lines[0]["held_out"] == lines[-1]["readers"]
    assert [line["step"] for line in lines[1:-1]] == [0, 3]
    assert lines[-1]["accuracy"] == results and lines[-1]["recipe"]["steps"] == 4
    assert set(results) == {*TASKS, "audio, a person's voice"}
    card = (out / "README.md").read_text()
    assert all(f"| {name} |" in card for name in results)
    weights = load_file(out / "connectors.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    model = build_model(folder, connectors=out / "connectors.safetensors")
    torch.testing.assert_close(model.model.frame_order.weight, weights["model.frame_order.weight"].float())


def test_only_connectors_are_trained(trained, folder):
    before = build_model(folder, connectors=None).state_dict()
    after = build_model(folder, connectors=trained[0] / "connectors.safetensors").state_dict()
    changed = {name.split(".")[1] for name in before if not torch.equal(before[name], after[name].to(before[name].dtype))}
    assert changed == {"image_projector", "video_projector", "audio_projector", "frame_order"}


def test_an_interrupted_training_goes_on_to_the_same_end(trained, folder, tmp_path):
    work, out = tmp_path / "work", tmp_path / "out"
    stopped = Interrupting(after=2)
    with pytest.raises(KeyboardInterrupt):
        train(SMALL, folder, work, out, device="cpu", workers=0, minutes=9, checkpoint_every=1, on_step=stopped)
    assert not out.exists()
    train(SMALL, folder, work, out, device="cpu", workers=0, minutes=9)
    whole, resumed = (load_file(where / "connectors.safetensors") for where in (trained[0], out))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, atol=2e-3, rtol=1e-2, msg=name)


class Interrupting:
    def __init__(self, after):
        self.after = after

    def __call__(self, step):
        if step == self.after:
            raise KeyboardInterrupt


def test_connectors_can_learn_a_few_items_by_heart(folder, features):
    model, processor = build_model(folder, connectors=None), OmniDemoProcessor.from_folder(folder)
    model.requires_grad_(False)
    weights = {name: value for name, value in model.named_parameters() if name.startswith(CONNECTOR_PARTS)}
    optimiser = torch.optim.AdamW([value.requires_grad_(True) for value in weights.values()], lr=1e-2)
    answers = {pool: found.answers for pool, found in features.items()}
    turns = [TASKS[name].make(np.random.default_rng(0), answers) for name in ("image", "audio", "video")]
    composer, losses = Composer(model, processor, features), []
    for _ in range(60):
        logits, wanted = composer(turns)
        loss = torch.nn.functional.cross_entropy(logits, wanted)
        optimiser.zero_grad()
        loss.backward()
        assert all(value.grad.abs().max() > 0 for name, value in weights.items() if "linear_2" in name or "frame_order" in name)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_items_depend_on_nothing_but_their_number():
    for pool in POOLS:
        (first, answer), (again, same) = draw_item(pool, "train", 1, 5), draw_item(pool, "train", 1, 5)
        other, _ = draw_item(pool, "train", 1, 6)
        assert np.array_equal(first, again) and answer == same
        assert first.shape != other.shape or not np.array_equal(first, other)


def test_yes_and_no_are_equally_often_right():
    answers = {"audio": list(tasks.DIGIT_WORDS) * 3, "image": list(tasks.DIGIT_WORDS) * 3}
    rng = np.random.default_rng(0)
    turns = [TASKS["same"].make(rng, answers) for _ in range(400)]
    for parts, answer in turns:
        picked = {pool: answers[pool][index] for pool, index in (part for part in parts if not isinstance(part, str))}
        assert (picked["audio"] == picked["image"]) == (answer == "Yes")
    assert 0.4 < sum(answer == "Yes" for _, answer in turns) / 400 < 0.6


@pytest.mark.parametrize("harm", ["cut", "foreign"])
def test_damaged_connectors_are_one_sentence(folder, trained, tmp_path, harm):
    path = tmp_path / "connectors.safetensors"
    if harm == "cut":
        path.write_bytes((trained[0] / path.name).read_bytes()[:-10])
    else:
        model, _ = small_omni()
        del model.model.frame_order
        save_connectors(model, path)
    with pytest.raises(ModelError, match="cannot be read" if harm == "cut" else "do not fit"):
        build_model(folder, connectors=path)
