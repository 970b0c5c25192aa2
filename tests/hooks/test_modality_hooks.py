from collections import Counter, defaultdict

import pytest
import torch
from tiny_models import AUDIO, IMAGE, MODELS, VIDEO
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.layers import Component
from morphoquant.core.modality import MODALITIES, PADDING, Modality, Position, slot, unslot
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.hooks.registry import RUN
from morphoquant.models.labels import ControlTokens

# Rows of one sequence or medium that towers and connectors see, by modality, where that is not what the sequences hold.
TOWER_ROWS = {
    "qwen2_5_omni": {"image": 16, "video": 16, "audio": 12},
    "qwen2_5_vl": {"image": 16, "video": 16},
    "qwen2_vl": {"image": 16, "video": 16},
    "qwen3_vl": {"image": 16, "video": 16},
    "qwen2_audio": {"audio": 40 + 21},
    "llava_onevision": {"image": 32, "video": 32},
    "internvl": {"image": 34},
    "smolvlm": {"image": 32},
    "voxtral": {"audio": 48},
    "gemma3": {"image": 16},
}
CONNECTOR_ROWS = {
    "qwen2_5_omni": {"image": 4, "video": 4},
    "qwen2_5_vl": {"image": 4, "video": 4},
    "qwen2_vl": {"image": 4, "video": 4},
    "qwen3_vl": {"image": 4, "video": 4},
    "qwen2_audio": {"audio": 30},
    "llava_onevision": {"image": 32, "video": 32},
    "internvl": {"image": 8},
    "smolvlm": {"image": 8},
    "voxtral": {"audio": 12},
}


class Recorder:
    """Counts the slots of every shared input and of every linear."""

    def __init__(self):
        self.inputs = defaultdict(Counter)
        self.linears = defaultdict(Counter)
        self.keys = defaultdict(list)

    def on_input(self, group, module, x, slots, keys):
        assert x.shape == (len(slots), module.in_features) and slots.dtype == torch.int8 and len(keys) == len(slots)
        self.inputs[group].update(slots.tolist())
        real = slots >= 0
        self.keys[group] += list(zip(slots[real].tolist(), keys[real].tolist(), strict=True))

    def on_linear(self, layer, group, module, x, slots):
        assert x.shape[1] == module.in_features
        self.linears[layer].update(slots.tolist())


def by_modality(counts):
    found = Counter()
    for label, count in counts.items():
        if label != PADDING:
            found[str(unslot(label)[0])] += count
    return dict(found)


@pytest.fixture(scope="module", params=list(MODELS))
def captured(request):
    model, batch, sequences = MODELS[request.param]()
    recorder = Recorder()
    ran = set()
    handles = [
        module.register_forward_hook(lambda *_, name=name: ran.add(name))
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    ]
    with ModalityHooks(model, recorder) as hooks:
        hooks.run(batch)
    for handle in handles:
        handle.remove()
    return request.param, model, batch, sequences, recorder, hooks, ran


def test_every_linear_that_ran_is_labelled(captured):
    _, model, _, _, recorder, hooks, ran = captured
    assert type(model).__name__ in RUN
    assert ran == {layer.name for layer in hooks.layers} == set(recorder.linears)
    assert len(ran) >= 20
    unknown = {slot(Modality.UNKNOWN, position) for position in Position}
    for layer, counts in recorder.linears.items():
        assert not unknown & set(counts), layer


def test_label_counts_equal_the_token_counts(captured):
    name, _, batch, sequences, recorder, hooks, _ = captured
    ids, mask = batch["input_ids"], batch["attention_mask"].bool()
    total = Counter()
    for counts in sequences:
        total.update(counts)
    assert [by_modality(counts) for counts in hooks.tokens] == sequences
    for index, modality in ((IMAGE, "image"), (AUDIO, "audio"), (VIDEO, "video")):
        assert total[modality] == int((ids[mask] == index).sum())
    expected = {
        Component.LANGUAGE: dict(total),
        Component.HEAD: dict(total),
        Component.CONNECTOR: CONNECTOR_ROWS.get(name, {}),
    }
    towers = TOWER_ROWS[name]
    expected[Component.VISION] = {key: rows for key, rows in towers.items() if key != "audio"}
    expected[Component.AUDIO] = {key: rows for key, rows in towers.items() if key == "audio"}
    for layer in hooks.layers:
        wanted = expected[layer.component]
        if layer.name.endswith("audio_tower.proj"):
            wanted = {"audio": 6}
        if name == "internvl" and layer.component is Component.VISION:
            assert layer.role in ("q_proj", "k_proj", "v_proj", "projection_layer", "fc1", "fc2")
        assert by_modality(recorder.linears[layer.name]) == wanted, layer.name


def test_each_sequence_has_one_first_token(captured):
    _, _, _, sequences, recorder, hooks, _ = captured
    firsts = {slot(modality, Position.FIRST) for modality in MODALITIES}
    for layer in hooks.layers:
        if layer.component in (Component.LANGUAGE, Component.HEAD):
            assert sum(count for label, count in recorder.linears[layer.name].items() if label in firsts) == len(sequences)


def test_padding_is_labelled_padding_and_never_counted(captured):
    _, _, batch, _, recorder, hooks, _ = captured
    padded = int((batch["attention_mask"] == 0).sum())
    for layer in hooks.layers:
        if layer.component is Component.LANGUAGE:
            assert recorder.linears[layer.name][PADDING] == padded


def test_linears_of_one_input_are_one_group(captured):
    _, _, _, _, recorder, hooks, _ = captured
    groups = defaultdict(list)
    for layer in hooks.layers:
        groups[layer.group].append(layer)
    assert set(groups) == set(recorder.inputs)
    language = [
        tuple(layer.role for layer in members) for members in groups.values() if members[0].component is Component.LANGUAGE
    ]
    assert set(language) == {("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",)}
    assert len(language) == 8
    for name, members in groups.items():
        assert members[0].name == name
        assert {layer.block for layer in members} == {members[0].block}


def test_keys_tell_tokens_apart(captured):
    recorder = captured[4]
    for group, keys in recorder.keys.items():
        assert len(set(keys)) == len(keys), group


def test_components_follow_the_module_tree(captured):
    hooks = captured[5]
    for layer in hooks.layers:
        if "language_model" in layer.name or "text_model" in layer.name:
            assert layer.component is Component.LANGUAGE
        elif "projector" in layer.name or "merger" in layer.name or "connector" in layer.name:
            assert layer.component is Component.CONNECTOR
        elif "audio_tower" in layer.name:
            assert layer.component is Component.AUDIO
        elif "vis" in layer.name:
            assert layer.component is Component.VISION
        else:
            assert layer.name == "lm_head" and layer.component is Component.HEAD


def test_nothing_is_left_on_the_model(captured):
    _, model, batch, _, _, _, _ = captured
    left = hooks_on(model)  # transformers itself leaves some at the first forward
    assert not any("morphoquant" in hook.__module__ for hook in left)
    before = {id(module): set(vars(module)) for module in model.modules()}
    with pytest.raises(RuntimeError, match="observer"), ModalityHooks(model, Failing()) as hooks:
        hooks.run(batch)
    assert hooks_on(model) == left
    assert {id(module): set(vars(module)) for module in model.modules()} == before


class Failing:
    def on_input(self, group, module, x, slots, keys):
        raise RuntimeError("observer failed")


def hooks_on(model):
    return [hook for module in model.modules() for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values())]


@pytest.mark.parametrize("name", ["internvl", "smolvlm"])
def test_frames_behind_the_image_placeholder_are_video_when_the_batch_says_so(name):
    model, batch, _ = MODELS[name]()
    recorder = Recorder()
    with ModalityHooks(model, recorder) as hooks:
        hooks.run(batch, visual=Modality.VIDEO)
    for layer in hooks.layers:
        assert "image" not in by_modality(recorder.linears[layer.name])
        assert by_modality(recorder.linears[layer.name])["video"] > 0
    mixed = Recorder()
    with ModalityHooks(model, mixed) as hooks:
        hooks.run(batch, visual=[Modality.IMAGE, Modality.VIDEO])
    for layer in hooks.layers:
        found = by_modality(mixed.linears[layer.name])
        # A sequence has a tile or a frame each, of as many rows.
        assert found["image"] == found["video"] > 0 and not found.get("unknown")


def test_padded_patches_of_smolvlm_are_counted_nowhere():
    model, batch, _ = MODELS["smolvlm"]()
    batch["pixel_attention_mask"] = torch.ones(2, 1, 8, 8, dtype=torch.long)
    batch["pixel_attention_mask"][1, 0, 6:] = 0
    recorder = Recorder()
    with ModalityHooks(model, recorder) as hooks:
        hooks.run(batch)
    vision = [layer.name for layer in hooks.layers if layer.component is Component.VISION]
    for name in vision:
        assert by_modality(recorder.linears[name]) == {"image": 28} and recorder.linears[name][PADDING] == 4


def llama(**options):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, **options
    )
    return LlamaForCausalLM(config).eval()


def test_generated_tokens_are_text():
    model, recorder = llama(), Recorder()
    batch = {"input_ids": torch.tensor([[1, 4, 5], [0, 4, 6]]), "attention_mask": torch.tensor([[1, 1, 1], [0, 1, 1]])}
    with ModalityHooks(model, recorder, ControlTokens(frozenset({1, 4}))) as hooks, torch.no_grad():
        model.generate(**batch, max_new_tokens=3, min_new_tokens=3, do_sample=False, pad_token_id=0)
    text, first = slot(Modality.TEXT, Position.REST), slot(Modality.SPECIAL, Position.FIRST)
    special = slot(Modality.SPECIAL, Position.REST)
    # Three generated tokens; the last one is never an input.
    assert hooks.tokens == [{first: 1, special: 1, text: 3}, {first: 1, text: 3}]
    down = recorder.inputs["model.layers.0.mlp.down_proj"]
    assert down == {first: 2, special: 1, text: 6, PADDING: 1}
    assert recorder.inputs["lm_head"] == {text: 6}
    assert len(set(recorder.keys["model.layers.0.mlp.down_proj"])) == 9


def test_samples_are_numbered_on_from_an_earlier_run():
    model = llama()
    batches = [{"input_ids": torch.randint(3, 50, (2, 4))} for _ in range(2)]
    whole, halves = Recorder(), Recorder()
    with ModalityHooks(model, whole) as hooks:
        for batch in batches:
            hooks.run(batch)
    for index, batch in enumerate(batches):
        with ModalityHooks(model, halves, first_sample=2 * index) as hooks:
            hooks.run(batch)
    assert whole.keys == halves.keys


def test_keys_of_tokens_do_not_depend_on_batch_size_or_padding():
    model, one, both = llama(), Recorder(), Recorder()
    long, short = torch.tensor([[4, 5, 6, 7]]), torch.tensor([[8, 9]])
    padded = torch.cat([long, torch.tensor([[0, 0, 8, 9]])])
    with ModalityHooks(model, one) as hooks:
        hooks.run({"input_ids": long})
        hooks.run({"input_ids": short})
    with ModalityHooks(model, both) as hooks:
        hooks.run({"input_ids": padded, "attention_mask": torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])})
    assert {group: sorted(keys) for group, keys in one.keys.items()} == {g: sorted(k) for g, k in both.keys.items()}


def test_rows_that_fit_no_labels_are_unknown():
    class Halved(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.config, self.odd = inner, inner.config, nn.Linear(50, 2)

        def forward(self, input_ids=None, attention_mask=None):
            return self.odd(self.inner(input_ids=input_ids).logits[:, ::2])

    recorder = Recorder()
    with ModalityHooks(Halved(llama()), recorder) as hooks:
        hooks.run({"input_ids": torch.tensor([[4, 5, 6, 7]])})
    assert by_modality(recorder.inputs["odd"]) == {"unknown": 2}
    assert by_modality(recorder.inputs["inner.lm_head"]) == {"text": 4}


def test_an_input_written_to_between_two_linears_is_not_shared():
    class InPlace(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config, self.embed = config, nn.Embedding(50, 8)
            self.a, self.b, self.c, self.d = (nn.Linear(8, 8) for _ in range(4))

        def forward(self, input_ids=None):
            x = self.embed(input_ids)
            y = self.a(x) + self.b(x.view(x.shape))
            x.add_(1)
            return y + self.c(x) + self.d(x.clone())

    with ModalityHooks(InPlace(llama().config), Recorder()) as hooks:
        hooks.run({"input_ids": torch.tensor([[4, 5]])})
    assert [layer.group for layer in hooks.layers] == ["a", "a", "c", "d"]


def test_bad_batches_and_models_are_refused_in_a_sentence():
    with ModalityHooks(llama(), Recorder()) as hooks, pytest.raises(BatchError, match="no input_ids"):
        hooks.run({"attention_mask": torch.ones(1, 2)})
    with pytest.raises(ModelError, match="no nn.Linear"), ModalityHooks(nn.Embedding(2, 2), Recorder()):
        pass


def test_training_mode_comes_back():
    model = llama()
    model.train()
    with ModalityHooks(model, Recorder()) as hooks:
        assert not model.training
        hooks.run({"input_ids": torch.tensor([[4, 5]])})
    assert model.training
