"""Tiny models of further families: every linear that runs is labelled, and the labels are those of the sequences."""

from collections import Counter, defaultdict

import pytest
from tiny_families import FAMILIES
from tiny_mixtures import MIXTURES
from tiny_models import MODELS
from torch import nn

from morphoquant.core.layers import Component, expert_of
from morphoquant.core.modality import PADDING, unslot
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.hooks.registry import RUN
from morphoquant.hooks.rows import OF_DISTANCES

# Rows of padding that a tower is given, by family: patches behind an image, frames behind a clip.
PADDED = {
    "gemma3n": {Component.AUDIO: 2},
    "gemma4": {Component.VISION: 4, Component.AUDIO: 2},
    "qwen3_omni_moe": {Component.AUDIO: 10},
}
# Of Gemma 3n every token goes through the projections of the image's and the sound's vocabularies, that of the sound has a row of
# no token too, and each block asks its router twice.
FOR_ALL = {"gemma3n": ("model.embed_vision.embedding_projection", "model.embed_audio.embedding_projection")}
PADS_SOUND = {"gemma3n": {"model.embed_audio.embedding_projection"}}
TWICE = {"gemma3n": "modality_router"}
SLOW = {"gemma4_moe", "minicpm_v", "kimi_k25"}


class Recorder:
    """Counts the labels of every linear."""

    def __init__(self):
        self.linears = defaultdict(Counter)

    def on_input(self, group, module, x, slots, keys):
        assert x.shape == (len(slots), module.in_features) and len(keys) == len(slots)

    def on_linear(self, layer, group, module, x, slots):
        for label, count in Counter(slots.tolist()).items():
            self.linears[layer]["padding" if label == PADDING else str(unslot(label)[0])] += count


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in (*FAMILIES, "qwen3_omni_moe")],
)
def captured(request):
    model, batch, sequences = (FAMILIES | MIXTURES)[request.param]()
    recorder, ran = Recorder(), set()
    with ModalityHooks(model, recorder) as hooks:
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear):
                module.register_forward_hook(lambda *_, name=name: ran.add(name))
        hooks.run(batch)
    return request.param, model, batch, sequences, recorder.linears, hooks, ran


def test_every_linear_that_ran_is_labelled(captured):
    family, model, _, _, linears, hooks, ran = captured
    assert ran == set(linears) and len(ran) >= 20 and type(model).__name__ in RUN
    assert {layer.name for layer in hooks.layers} - ran <= {layer.name for layer in hooks.layers if expert_of(layer.name)}
    unknown = {name for name, counts in linears.items() if "unknown" in counts}
    assert unknown == {name for name in linears if name.split(".")[-1] in OF_DISTANCES} | PADS_SOUND.get(family, set())


def test_the_language_model_sees_what_the_sequences_hold(captured):
    family, _, batch, sequences, linears, hooks, _ = captured
    assert [{str(unslot(k)[0]): v for k, v in counts.items()}.keys() for counts in hooks.tokens] == [s.keys() for s in sequences]
    total = Counter({"padding": int((batch["attention_mask"] == 0).sum())})
    for counts in sequences:
        total.update(counts)
    seen = 0
    for layer in hooks.layers:
        if layer.component in (Component.LANGUAGE, Component.HEAD) and not expert_of(layer.name):
            times = 2 if layer.role == TWICE.get(family) else 1
            assert linears[layer.name] == Counter({name: times * count for name, count in total.items()}), layer.name
            seen += 1
    assert seen >= 9


def test_towers_and_connectors_see_media_alone(captured):
    name, _, _, sequences, linears, hooks, _ = captured
    media = {modality for counts in sequences for modality in counts} - {"text"}
    found = defaultdict(set)
    for layer in hooks.layers:
        if layer.component in (Component.VISION, Component.AUDIO, Component.CONNECTOR):
            own = set(linears[layer.name]) - {"padding", "unknown"}
            assert own <= media | ({"text"} if layer.name in FOR_ALL.get(name, ()) else set()), layer.name
            found[layer.component] |= own
    assert found[Component.VISION] == media - {"audio"} and found[Component.AUDIO] == media & {"audio"}
    for component, rows in PADDED.get(name, {}).items():
        padded = {linears[layer.name]["padding"] for layer in hooks.layers if layer.component is component}
        assert max(padded) == rows


def test_the_classes_that_are_said_to_be_run_are_run():
    # Gemma 4 is run as a dense model and as a mixture, Molmo2 on images and on videos; each other maker makes a class of its own,
    # checked where it is run.
    assert len(RUN) == len(MODELS) + len(MIXTURES) + len(FAMILIES) - 2
