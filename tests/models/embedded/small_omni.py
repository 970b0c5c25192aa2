"""A small random model of the embedded model's own classes, with a tokenizer of bytes: seconds instead of a download."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from morphoquant.models.embedded.configuration import OmniDemoConfig
from morphoquant.models.embedded.modeling import OmniDemoForConditionalGeneration
from morphoquant.models.embedded.processor import OmniDemoProcessor
from morphoquant.models.embedded.tokenizer import (
    AUDIO,
    AUDIO_END,
    AUDIO_START,
    CHAT_TEMPLATE,
    IMAGE,
    VIDEO,
    VISION_END,
    VISION_START,
)

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", IMAGE, AUDIO, VIDEO, VISION_START, VISION_END, AUDIO_START, AUDIO_END]


def small_tokenizer() -> PreTrainedTokenizerFast:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={word: index for index, word in enumerate(SPECIAL + letters)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in SPECIAL])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def small_config() -> OmniDemoConfig:
    return OmniDemoConfig(
        text_config={
            "vocab_size": 300,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
            "initializer_range": 0.3,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
        },
        vision_config={
            "hidden_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 112,
            "use_mask_token": False,
        },
        audio_config={
            "d_model": 24,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "num_mel_bins": 80,
        },
        image_size=112,
        frame_size=56,
        max_frames=8,
        connector_width=40,
    )


def small_omni() -> tuple[OmniDemoForConditionalGeneration, OmniDemoProcessor]:
    torch.manual_seed(0)
    config = small_config()
    model = OmniDemoForConditionalGeneration(config).eval()
    for projector in (model.model.image_projector, model.model.video_projector, model.model.audio_projector):
        torch.nn.init.normal_(projector.linear_1.weight)
    return model, OmniDemoProcessor(small_tokenizer(), config)


def small_folder(folder: Path) -> Path:
    """The small model laid out as a converted folder."""
    model, processor = small_omni()
    model.config.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    for part, prefix in (
        ("language", "model.language_model."),
        ("audio", "model.audio_tower."),
        ("vision", "model.vision_tower."),
    ):
        state = {name: value.contiguous() for name, value in model.state_dict().items() if name.startswith(prefix)}
        save_file(state, folder / f"{part}.safetensors", metadata={"format": "pt"})
    return folder
