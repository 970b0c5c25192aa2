"""The SmolLM2 tokenizer rebuilt from the GGUF file, with placeholders for media and a chat template that takes parts.

SmolLM2 was trained on code with 14 control tokens (`<repo_name>`, `<jupyter_start>`, ...) that a chat never holds. Seven of
them get the names that media need, so the embedding table keeps its size; the rows of the three placeholders are never read.
"""

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

IMAGE, AUDIO, VIDEO = "<|image_pad|>", "<|audio_pad|>", "<|video_pad|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
AUDIO_START, AUDIO_END = "<|audio_start|>", "<|audio_end|>"
_RENAMED = {
    "<repo_name>": IMAGE,
    "<reponame>": AUDIO,
    "<file_sep>": VIDEO,
    "<filename>": VISION_START,
    "<gh_stars>": VISION_END,
    "<issue_start>": AUDIO_START,
    "<issue_comment>": AUDIO_END,
}
_CONTROL = 3  # GGUF's token type of special tokens

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}"
    f"{{% elif part['type'] == 'image' %}}{VISION_START}{IMAGE}{VISION_END}"
    f"{{% elif part['type'] == 'video' %}}{VISION_START}{VIDEO}{VISION_END}"
    f"{{% elif part['type'] == 'audio' %}}{AUDIO_START}{AUDIO}{AUDIO_END}"
    "{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def build(reader: GGUFReader) -> PreTrainedTokenizerFast:
    """The fast tokenizer: byte-level BPE, digits one by one, all control tokens special."""
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    kinds = reader.fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in reader.fields["tokenizer.ggml.merges"].contents()]
    names = [_RENAMED.get(token, token) for token in tokens]
    core = Tokenizer(models.BPE(vocab={name: index for index, name in enumerate(names)}, merges=merges))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    core.decoder = decoders.ByteLevel()
    special = [name for name, kind in zip(names, kinds, strict=True) if kind == _CONTROL]
    core.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in special])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        extra_special_tokens=[name for name in special if name not in ("<|im_start|>", "<|im_end|>", "<|endoftext|>")],
        model_max_length=8192,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
