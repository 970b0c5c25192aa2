from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import PADDING, Modality, Position, slot, unslot
from morphoquant.models.labels import ControlTokens, control_tokens, sequence_slots
from morphoquant.models.placeholders import placeholder_ids
from morphoquant.models.shared_placeholder import STANDS_FOR, SharedPlaceholder, said

CONFIG = SimpleNamespace(image_token_id=90, audio_token_index=91, video_token_id=92)
CONTROL = ControlTokens(frozenset({1, 2}), ((1, 10), (2, 10)))


def names(row):
    return ["padding" if label == PADDING else unslot(label)[0].value for label in row.tolist()]


def test_each_token_has_its_modality_and_padding_none():
    ids = torch.tensor([[0, 0, 5, 90, 90, 6], [91, 92, 5, 6, 7, 8]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]])
    slots = sequence_slots(CONFIG, {"input_ids": ids, "attention_mask": mask})
    assert slots.dtype == torch.int8
    assert names(slots[0]) == ["padding", "padding", "text", "image", "image", "text"]
    assert names(slots[1]) == ["audio", "video", "text", "text", "text", "padding"]


def test_first_real_token_of_each_sequence_is_kept_apart():
    ids = torch.tensor([[0, 90, 5], [5, 5, 5], [0, 0, 0]])
    mask = torch.tensor([[0, 1, 1], [1, 1, 1], [0, 0, 0]])
    slots = sequence_slots(CONFIG, {"input_ids": ids, "attention_mask": mask})
    image_first, text_rest = slot(Modality.IMAGE, Position.FIRST), slot(Modality.TEXT, Position.REST)
    assert slots.tolist() == [
        [PADDING, image_first, text_rest],
        [slot(Modality.TEXT, Position.FIRST), text_rest, text_rest],
        [PADDING] * 3,
    ]


def test_template_is_special_from_its_start_through_its_end():
    ids = torch.tensor([[1, 7, 10, 5, 5, 2, 10, 1, 8, 8, 10, 6]])
    slots = sequence_slots(CONFIG, {"input_ids": ids}, CONTROL)
    special = [name == "special" for name in names(slots[0])]
    assert special == [True, True, True, False, False, True, True, True, True, True, True, False]


def test_a_start_without_its_end_close_by_takes_no_content():
    far = torch.tensor([[1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 10]])
    assert names(sequence_slots(CONFIG, {"input_ids": far}, CONTROL)[0]) == ["special"] + ["text"] * 10
    across = torch.tensor([[1, 5, 90, 10], [1, 5, 2, 5]])
    slots = sequence_slots(CONFIG, {"input_ids": across}, CONTROL)
    assert names(slots[0]) == ["special", "text", "image", "text"]
    assert names(slots[1]) == ["special", "text", "special", "text"]


def test_a_placeholder_stays_content_even_if_the_tokenizer_calls_it_special():
    slots = sequence_slots(CONFIG, {"input_ids": torch.tensor([[5, 90]])}, ControlTokens(frozenset({90})))
    assert names(slots[0]) == ["text", "image"]


def test_image_placeholder_may_stand_for_video_in_a_batch_or_a_sequence():
    ids = torch.tensor([[5, 90], [5, 90]])
    assert names(sequence_slots(CONFIG, {"input_ids": ids, STANDS_FOR: said(Modality.VIDEO, ids)})[1]) == ["text", "video"]
    each = sequence_slots(CONFIG, {"input_ids": ids, STANDS_FOR: said([Modality.IMAGE, Modality.VIDEO], ids)})
    assert [names(row)[1] for row in each] == ["image", "video"]
    with pytest.raises(BatchError, match="2 sequences"):
        said([Modality.IMAGE], ids)


def test_a_placeholder_stands_for_what_the_batch_says_of_it():
    stands_for = torch.tensor([[0, 3, 1, 3, 3, 0]], dtype=torch.int8)
    batch = {"input_ids": torch.tensor([[5, 90, 90, 91, 92, 6]]), STANDS_FOR: stands_for}
    assert names(sequence_slots(CONFIG, batch)[0]) == ["text", "video", "image", "audio", "video", "text"]
    told = [{"type": "video", "replacement": "<f><f>x"}, {"type": "image", "replacement": "<f>"}]
    talk = [{"role": "user", "content": [{"type": "video"}, {"type": "image"}]}]
    shared, tokenizer = SharedPlaceholder(90), SimpleNamespace(convert_ids_to_tokens=lambda _: "<f>")
    whole = {"input_ids": torch.tensor([[90, 90, 5, 90]]), "text_replacement_offsets": [told]}
    assert shared.labels(whole, [talk], ["a"], tokenizer).tolist() == [[3, 3, 0, 1]]
    for short in ({**whole, "text_replacement_offsets": [told[:1]]}, {"input_ids": whole["input_ids"]}):
        with pytest.raises(BatchError, match="'a' holds images and videos, and the model's processor does not tell"):
            shared.labels(short, [talk], ["a"], tokenizer)


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        ({"pixel_values": torch.zeros(1)}, "no input_ids"),
        ({"input_ids": [1, 2]}, "return_tensors"),
        ({"input_ids": torch.ones(2, 3, dtype=torch.long), "attention_mask": torch.ones(2, 1, 3, 3)}, "attention_mask"),
    ],
)
def test_a_batch_that_cannot_be_labelled_is_refused(batch, why):
    with pytest.raises(BatchError, match=why):
        sequence_slots(CONFIG, batch)


def test_placeholder_ids_are_searched_in_order():
    inner = SimpleNamespace(vision_config=SimpleNamespace(image_token_id=4), audio_config=SimpleNamespace(audio_token_id=5))
    assert placeholder_ids(inner) == {4: Modality.IMAGE, 5: Modality.AUDIO}
    assert placeholder_ids(SimpleNamespace(thinker_config=CONFIG)) == placeholder_ids(CONFIG)
    same = SimpleNamespace(image_token_id=3, video_token_id=3, audio_token_id=None)
    assert placeholder_ids(same) == {3: Modality.IMAGE}


def chatml(template):
    words = ["user", "probe", "\n", "<|im_start|>", "<|im_end|>", "[UNK]"]
    inner = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", eos_token="<|im_end|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = template
    return tokenizer


def test_control_tokens_follow_the_tokenizers_own_template():
    turns = "{% for m in messages %}<|im_start|>{{ m['role'] + '\n' + m['content'] }}<|im_end|>\n{% endfor %}"
    assert control_tokens(chatml(turns)) == ControlTokens(frozenset({3, 4, 5}), ((3, 2), (4, 2)))
    inline = "{% for m in messages %}<|im_start|>{{ m['role'] + ': ' + m['content'] }}<|im_end|>{% endfor %}"
    assert control_tokens(chatml(inline)) == ControlTokens(frozenset({3, 4, 5}), ())
