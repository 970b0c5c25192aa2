from pathlib import Path
from types import SimpleNamespace

import pytest
import transformers

from morphoquant.core.modality import Modality
from morphoquant.models.families import base
from morphoquant.models.families.base import FAMILIES, GENERIC, family_of
from morphoquant.models.placeholders import placeholder_ids

IMAGE, AUDIO, VIDEO = Modality.IMAGE, Modality.AUDIO, Modality.VIDEO

# Of each stock config class what its placeholders stand for.
STOCK = {
    "Qwen2VLConfig": {IMAGE, VIDEO},
    "Qwen2_5_VLConfig": {IMAGE, VIDEO},
    "Qwen3VLConfig": {IMAGE, VIDEO},
    "Qwen2_5OmniConfig": {IMAGE, AUDIO, VIDEO},
    "Qwen2AudioConfig": {AUDIO},
    "LlavaConfig": {IMAGE},
    "LlavaOnevisionConfig": {IMAGE, VIDEO},
    "InternVLConfig": {IMAGE},
    "SmolVLMConfig": {IMAGE},
    "Idefics3Config": {IMAGE},
    "Gemma3Config": {IMAGE},
    "Gemma3nConfig": {IMAGE, AUDIO},
    "Mistral3Config": {IMAGE},
    "AriaConfig": {IMAGE},
    "GraniteSpeechConfig": {AUDIO},
    "Glm4vConfig": {IMAGE, VIDEO},
    "Phi4MultimodalConfig": {IMAGE, AUDIO},
    "LlamaConfig": set(),
}


@pytest.mark.parametrize("name", STOCK)
def test_placeholders_of_stock_configs_are_found(name):
    found = placeholder_ids(getattr(transformers, name)())
    assert set(found.values()) == STOCK[name]
    assert len(found) == len(STOCK[name])


def test_each_file_registers_exactly_one_family():
    assert family_of(SimpleNamespace(model_type="none of them")) is GENERIC
    files = {path.stem for path in Path(base.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert set(FAMILIES) == files
    types = [model_type for _, family in FAMILIES.items() for model_type in family.model_types]
    assert len(set(types)) == len(types)
    for _, family in FAMILIES.items():
        assert family.why.endswith(".") and family.model_types


def test_an_unset_default_id_is_no_placeholder():
    assert placeholder_ids(transformers.VoxtralConfig()) == {}
    assert placeholder_ids(transformers.VoxtralConfig(audio_token_id=24)) == {24: AUDIO}


def test_shared_placeholders_are_declared():
    assert family_of(transformers.InternVLConfig()).shared_placeholder
    assert family_of(transformers.SmolVLMConfig()).shared_placeholder
    assert not family_of(transformers.Qwen2VLConfig()).shared_placeholder
