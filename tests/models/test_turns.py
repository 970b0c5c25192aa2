"""Talks of several turns through a processor's own template, and sound at the rate that the processor wants."""

import numpy as np
import pytest
from fixtures.saved_models import TEMPLATE, save_llava, tokenizer
from transformers import Qwen2AudioProcessor, WhisperFeatureExtractor

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Part, Sample, fingerprint
from morphoquant.models.load import load
from morphoquant.models.messages import MessageEncoder

TEXT = Modality.TEXT


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load(str(save_llava(tmp_path_factory.mktemp("llava"))), tmp_path_factory.mktemp("cache"))


def sample(*said, answer=None, picture=None):
    parts = [Part(TEXT, words) if picture is None or words else Part(Modality.IMAGE, picture) for _, words in said]
    return Sample("s", "chat", tuple(parts), answer, tuple(role for role, _ in said))


def test_turns_stand_as_the_template_writes_them(loaded):
    asked = sample(
        ("system", "Be brief."), ("user", ""), ("user", "This?"), picture=np.zeros((16, 16, 3), np.uint8), answer="No."
    )
    words = loaded.encode.tokenizer.decode(loaded.encode([asked])["input_ids"][0])
    turns = [turn.strip() for turn in words.replace("<image>", "#").split("<|im_start|>") if turn.strip()]
    assert turns == ["system\nBe brief.<|im_end|>", "user\n####This?<|im_end|>", "assistant\nNo.<|im_end|>"]
    opened = loaded.encode.tokenizer.decode(loaded.encode([asked], answers=False)["input_ids"][0])
    assert opened.endswith("<|im_start|>assistant\n")


def test_a_turn_of_media_that_the_model_does_not_take_is_left_out(loaded):
    tone = Part(Modality.AUDIO, np.zeros(400, np.float32))
    kept = Sample("s", "chat", (tone, Part(TEXT, "a"), Part(TEXT, "b")), None, ("user", "assistant", "user"))
    words = loaded.encode.tokenizer.decode(loaded.encode([kept])["input_ids"][0])
    assert words.count("<|im_start|>user") == 1 and "assistant\na" in words
    with pytest.raises(BatchError, match="nothing is left of sample 's'"):
        loaded.encode([Sample("s", "chat", (tone, Part(TEXT, "a")), None, ("user", "assistant"))])


def test_roles_decide_the_fingerprint_and_must_fit_the_parts():
    parts = (Part(TEXT, "a"), Part(TEXT, "b"))
    found = {fingerprint([Sample("s", "k", parts, None, roles)]) for roles in ((), ("user", "user"), ("system", "user"))}
    assert len(found) == 3
    for roles in (("user",), ("user", "tool")):
        with pytest.raises(BatchError, match="give each part one of system, user, assistant"):
            Sample("s", "k", parts, None, roles)


@pytest.mark.parametrize("rate", [16_000, 24_000, 8_000])
def test_sound_is_handed_over_at_the_rate_of_the_feature_extractor(rate):
    template = TEMPLATE.replace("'image' %}<image>", "'audio' %}<|AUDIO|>")
    processor = Qwen2AudioProcessor(WhisperFeatureExtractor(sampling_rate=rate), tokenizer(), chat_template=template)
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    batch = MessageEncoder(processor, frozenset({TEXT, Modality.AUDIO}))([Sample("s", "k", (Part(Modality.AUDIO, tone),))])
    assert int(batch["feature_attention_mask"].sum()) == rate // 160, "a second of frames of 160 samples each"
