import numpy as np
import pytest
import torch
from small_omni import small_omni

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import PADDING, Modality, unslot
from morphoquant.data.sample import Part, Sample
from morphoquant.models.labels import control_tokens, sequence_slots

RNG = np.random.default_rng(0)


def text(words):
    return Part(Modality.TEXT, words)


def image():
    return Part(Modality.IMAGE, RNG.integers(0, 255, (30, 40, 3), dtype=np.uint8))


def video(frames):
    return Part(Modality.VIDEO, RNG.integers(0, 255, (frames, 20, 20, 3), dtype=np.uint8))


def audio(count):
    return Part(Modality.AUDIO, RNG.normal(0, 0.1, count).astype(np.float32))


@pytest.fixture(scope="module")
def omni():
    return small_omni()


@pytest.fixture(scope="module")
def samples():
    return [
        Sample("0", "all", (text("a"), image(), text("b"), audio(8000), video(3), text("c")), "one"),
        Sample("1", "two of each", (audio(1600), image(), video(2), image(), audio(16000), text("what?"), video(4)), None),
        Sample("2", "text", (text("only words"),), "yes"),
    ]


@torch.inference_mode()
def logits(omni, samples, **options):
    model, processor = omni
    batch = processor(samples, **options)
    return model(**batch).logits, batch


def test_placeholders_are_as_many_as_the_media_give(omni, samples):
    model, processor = omni
    batch = processor(samples)
    slots = sequence_slots(model.config, batch, control_tokens(processor.tokenizer))
    counts = {modality: 0 for modality in Modality}
    for label in slots[slots != PADDING].tolist():
        counts[unslot(label)[0]] += 1
    assert counts[Modality.IMAGE] == 3 * 16
    assert counts[Modality.VIDEO] == (3 + 2 + 4) * 4
    # 50, 10 and 100 mel frames, 2 to an encoder frame, 5 of those to a token
    assert counts[Modality.AUDIO] == 5 + 1 + 10
    assert counts[Modality.UNKNOWN] == 0
    assert (slots == PADDING).sum() == (batch["attention_mask"] == 0).sum() > 0


def test_a_sample_reads_the_same_alone_and_in_a_batch(omni, samples):
    together, batch = logits(omni, samples)
    for row, sample in enumerate(samples):
        alone, _ = logits(omni, [sample])
        length = int(batch["attention_mask"][row].sum())
        torch.testing.assert_close(together[row, :length], alone[0], atol=2e-4, rtol=1e-3)


def test_left_padding_gives_the_same_last_logits(omni, samples):
    right, batch = logits(omni, samples, answers=False)
    left, _ = logits(omni, samples, answers=False, padding_side="left")
    ends = batch["attention_mask"].sum(1) - 1
    torch.testing.assert_close(left[:, -1], right[torch.arange(3), ends], atol=2e-4, rtol=1e-3)


def test_every_medium_reaches_the_language_model(omni, samples):
    model, processor = omni
    batch = processor(samples[:1], answers=False)
    with torch.inference_mode():
        whole = model(**batch).logits[0, -1]
        for name in ("pixel_values", "pixel_values_videos", "input_features"):
            changed = model(**{**batch, name: batch[name].flip(-1) + 1}).logits[0, -1]
            assert (changed - whole).abs().max() > 1e-4, name


def test_padding_of_sound_gives_no_tokens_and_does_not_change_them(omni):
    model, processor = omni
    batch = processor([Sample("0", "audio", (audio(8000),))])
    found = model.get_audio_features(batch["input_features"], batch["feature_attention_mask"])
    unmasked = model.get_audio_features(batch["input_features"])
    assert [len(clip) for clip in found.pooler_output] == [5]
    assert [len(clip) for clip in unmasked.pooler_output] == [300]
    torch.testing.assert_close(found.pooler_output[0], unmasked.pooler_output[0][:5])


def test_order_of_frames_is_told(omni):
    model, _ = omni
    with torch.no_grad():
        torch.nn.init.normal_(model.model.frame_order.weight)
        same = torch.ones(3, 3, 56, 56)
        (features,) = model.get_video_features(same, torch.tensor([3])).pooler_output
    first, second, _ = features.split(4)
    assert (first - second).abs().max() > 1e-3


def test_long_videos_keep_first_and_last_frame(omni):
    _, processor = omni
    frames = np.broadcast_to(np.arange(0, 250, 25, dtype=np.uint8)[:, None, None, None], (10, 8, 8, 3)).copy()
    batch = processor([Sample("0", "video", (Part(Modality.VIDEO, frames),))])
    assert batch["video_frame_counts"].tolist() == [8]
    levels = batch["pixel_values_videos"].mean((1, 2, 3))
    assert torch.all(levels.diff() > 0)
    black, bright = processor([Sample("0", "v", (Part(Modality.VIDEO, frames[[0, -1]]),))])["pixel_values_videos"].mean((1, 2, 3))
    torch.testing.assert_close(levels[[0, -1]], torch.stack([black, bright]))


def test_generation_reads_media_once_and_agrees_with_whole_forwards(omni, samples):
    model, processor = omni
    batch = processor(samples[:1], answers=False, padding_side="left")
    made = model.generate(**batch, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    ids = batch["input_ids"]
    with torch.inference_mode():
        for _ in range(3):
            step = {**batch, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
            scores = model(**step).logits[:, -1]
            scores[:, model.config.eos_token_id] = -torch.inf
            ids = torch.cat([ids, scores.argmax(-1, keepdim=True)], 1)
    assert made.tolist() == ids.tolist()


def test_answer_closes_the_turn(omni, samples):
    _, processor = omni
    tokenizer = processor.tokenizer
    answered = tokenizer.decode(processor(samples[2:])["input_ids"][0])
    open_ended = tokenizer.decode(processor(samples[2:], answers=False)["input_ids"][0])
    assert answered.endswith("<|im_start|>assistant\nyes<|im_end|>\n")
    assert open_ended.endswith("only words<|im_end|>\n<|im_start|>assistant\n")


def test_refuses_media_that_do_not_fit_the_placeholders(omni, samples):
    model, processor = omni
    batch = processor(samples[:1])
    with pytest.raises(BatchError, match="16 image placeholders but the media give 32"):
        model(**{**batch, "pixel_values": batch["pixel_values"].repeat(2, 1, 1, 1)})


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], "no sample"),
        ([Sample("0", "long", (audio(16000 * 31),))], "31.0 s"),
        ([Sample("0", "trick", (text("look: <|image_pad|>"),))], "placeholder"),
    ],
)
def test_refuses_what_it_cannot_encode(omni, samples, said):
    with pytest.raises(BatchError, match=said):
        omni[1](samples)


def test_saves_and_loads_as_any_transformers_model(omni, samples, tmp_path):
    model, processor = omni
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    batch = processor(samples[:1])
    with torch.inference_mode():
        torch.testing.assert_close(again(**batch).logits, model(**batch).logits)
