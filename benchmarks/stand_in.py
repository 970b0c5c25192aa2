"""A model of the embedded one's shapes with random weights, so that benchmarks run without a download."""

from collections.abc import Iterator

import torch
from transformers import Dinov2Config, LlamaConfig, WhisperConfig

from morphoquant.models.embedded.configuration import OmniDemoConfig
from morphoquant.models.embedded.modeling import OmniDemoForConditionalGeneration

# Text tokens, image tokens, audio tokens and video tokens of a sample.
_TEXT, _IMAGE, _AUDIO, _VIDEO = 40, 16, 30, 16


def model() -> OmniDemoForConditionalGeneration:
    """The model, in float32 and eval mode."""
    torch.manual_seed(0)
    text = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )
    vision = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, patch_size=14, image_size=224)
    audio = WhisperConfig(d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536, num_mel_bins=80)
    config = OmniDemoConfig(text_config=text, vision_config=vision, audio_config=audio)
    return OmniDemoForConditionalGeneration(config).eval()


def batches(config: OmniDemoConfig, samples: int, size: int) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of so many samples in all, made one at a time."""
    for first in range(0, samples, size):
        yield _batch(config, min(size, samples - first))


def _batch(config: OmniDemoConfig, size: int) -> dict[str, torch.Tensor]:
    row = [*[config.image_token_id] * _IMAGE, *[config.audio_token_id] * _AUDIO, *[config.video_token_id] * _VIDEO]
    ids = torch.cat([torch.randint(10, 1000, (size, _TEXT)), torch.tensor([row] * size)], dim=1)
    heard = torch.zeros(size, 3000, dtype=torch.long)
    heard[:, : _AUDIO * config.audio_stack * 2] = 1
    frames = _VIDEO // config.frame_grid**2
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.randn(size, 3, config.image_size, config.image_size),
        "input_features": torch.randn(size, 80, 3000),
        "feature_attention_mask": heard,
        "pixel_values_videos": torch.randn(size * frames, 3, config.frame_size, config.frame_size),
        "video_frame_counts": torch.full((size,), frames),
    }
