"""Qwen2.5-Omni-7B's thinker at its true size, towers, embeddings and head among it, and a sample that holds all it takes."""

import torch
from block_7b import text_config, thinker_of
from torch import Tensor
from transformers import Qwen2_5OmniThinkerForConditionalGeneration

VOCABULARY = 152064
_AUDIO, _AUDIO_START, _AUDIO_END = 151646, 151647, 151648
_VISION_START, _VISION_END, _IMAGE, _VIDEO = 151652, 151653, 151655, 151656
# Four patches of a picture are one token; of 400 frames of sound, ten milliseconds each, 100 tokens are left.
_IMAGE_GRID, _VIDEO_GRID, _FRAMES = (1, 16, 16), (2, 8, 8), 400
_VISUAL = [_VISION_START, *[_IMAGE] * 64, _VISION_END, _VISION_START, *[_VIDEO] * 32, _VISION_END]
_TOKENS = [*_VISUAL, _AUDIO_START, *[_AUDIO] * 100, _AUDIO_END]


def whole_thinker() -> Qwen2_5OmniThinkerForConditionalGeneration:
    """The model, with random weights, or none where the default device is "meta"."""
    vision = dict(depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16, out_hidden_size=3584)
    audio = dict(d_model=1280, encoder_layers=32, encoder_attention_heads=20, encoder_ffn_dim=5120, output_dim=3584)
    parts = {"text_config": text_config(VOCABULARY, 3584, 18944, 28, (28, 4)), "vision_config": vision, "audio_config": audio}
    return thinker_of(parts, (_IMAGE, _AUDIO, _VIDEO), (_VISION_START, _AUDIO_START)).eval()


def whole_batch(tokens: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """A sequence of a picture (64 tokens), a video (32), a sound (100) and so many tokens of text, media of type `dtype`."""
    ids = torch.cat([torch.randint(0, 1000, (tokens,)), torch.tensor(_TOKENS)])[None]
    heard = torch.zeros(1, 3000, dtype=torch.long)
    heard[:, :_FRAMES] = 1
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.randn(256, 1176, dtype=dtype),
        "image_grid_thw": torch.tensor([_IMAGE_GRID]),
        "pixel_values_videos": torch.randn(128, 1176, dtype=dtype),
        "video_grid_thw": torch.tensor([_VIDEO_GRID]),
        "video_second_per_grid": torch.tensor([1.0]),
        "input_features": torch.randn(1, 128, 3000, dtype=dtype),
        "feature_attention_mask": heard,
    }
