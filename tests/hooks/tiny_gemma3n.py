"""A tiny random Gemma 3n of the stock class. Its images go through a network of timm, which needs torchvision; that network alone
stands in here, inside transformers' own wrapper."""

import pytest
import torch
import transformers as tf
from tiny_models import AUDIO, IMAGE, TEXT, seeded, sequences
from torch import nn
from transformers.models.timm_wrapper import modeling_timm_wrapper


class MapOfPatches(nn.Module):
    """As networks of timm that give maps: images [n, 3, height, width] to [n, channels, rows, columns]."""

    def __init__(self, channels: int):
        super().__init__()
        self.patches = nn.Conv2d(3, channels, 2, stride=2)
        self.inner, self.outer = nn.Linear(channels, 48), nn.Linear(48, channels)

    def forward_features(self, pixel_values):
        """The map."""
        patches = self.patches(pixel_values).permute(0, 2, 3, 1)
        return self.outer(self.inner(patches).relu()).permute(0, 3, 1, 2)


def gemma3n():
    config = tf.Gemma3nConfig(
        text_config=TEXT
        | {
            "num_key_value_heads": 2,
            "head_dim": 8,
            "layer_types": ["sliding_attention", "full_attention"],
            "sliding_window": 8,
            "num_kv_shared_layers": 0,
            "laurel_rank": 4,
            "hidden_size_per_layer_input": 4,
            "vocab_size_per_layer_input": 88,
        },
        # Ids from 88 on are of the image's vocabulary, from 91 on of the sound's; the last, 99, stands for padding.
        vision_config={"hidden_size": 32, "vocab_offset": 88, "vocab_size": 3},
        audio_config={
            "hidden_size": 32,
            "vocab_offset": 91,
            "vocab_size": 9,
            "input_feat_size": 16,
            "conf_num_hidden_layers": 2,
            "conf_num_attention_heads": 2,
            "conf_attention_chunk_size": 4,
            "conf_attention_context_left": 5,
            "conf_reduction_factor": 2,
            "sscp_conv_channel_size": (8, 4),
        },
        vision_soft_tokens_per_image=16,
        audio_soft_tokens_per_image=6,
        image_token_id=IMAGE,
        audio_token_id=AUDIO,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modeling_timm_wrapper, "requires_backends", lambda *_: None)
        patch.setattr(
            modeling_timm_wrapper, "_create_timm_model_with_error_handling", lambda config, **_: MapOfPatches(config.hidden_size)
        )
        model = seeded(lambda: tf.Gemma3nForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * 16, 6, *[AUDIO] * 6, 7], [5, 6, 7])
    heard = torch.zeros(1, 32, dtype=torch.bool)
    heard[:, :24] = True
    media = {
        "pixel_values": torch.rand(1, 3, 8, 8),
        "input_features": torch.randn(1, 32, 16),
        "input_features_mask": heard,
    }
    return model, batch | media, [{"image": 16, "audio": 6, "text": 3}, {"text": 3}]
