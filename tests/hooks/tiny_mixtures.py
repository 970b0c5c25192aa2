"""Tiny random models of stock classes whose decoder is a mixture of experts, made like those of `tiny_models`."""

import torch
import transformers as tf
from tiny_models import (
    AUDIO,
    IMAGE,
    QWEN_TEXT,
    QWEN_VISION,
    VIDEO,
    WHISPER_LIKE,
    qwen_ids,
    qwen_vl_batch,
    seeded,
    sequences,
)

EXPERTS, TOP_K = 12, 2
TEXT = QWEN_TEXT | {"num_experts": EXPERTS, "num_experts_per_tok": TOP_K, "moe_intermediate_size": 24}
VISION = QWEN_VISION | {
    "hidden_size": 32,
    "out_hidden_size": 32,
    "intermediate_size": 48,
    "num_position_embeddings": 16,
    "deepstack_visual_indexes": [0],
}


def qwen3_vl_moe():
    config = tf.Qwen3VLMoeConfig(text_config=TEXT | {"head_dim": 8}, vision_config=VISION, **qwen_ids())
    return qwen_vl_batch(seeded(lambda: tf.Qwen3VLMoeForConditionalGeneration(config)))


def qwen3_omni_moe():
    config = tf.models.qwen3_omni_moe.configuration_qwen3_omni_moe.Qwen3OmniMoeThinkerConfig(
        audio_config=WHISPER_LIKE | {"output_dim": 32, "downsample_hidden_size": 4},
        vision_config=VISION,
        text_config=TEXT,
        image_token_id=IMAGE,
        audio_token_id=AUDIO,
        video_token_id=VIDEO,
        vision_start_token_id=93,
        audio_start_token_id=94,
    )
    model = seeded(lambda: tf.Qwen3OmniMoeThinkerForConditionalGeneration(config))
    # 120 frames are heard, in a chunk of 100 that gives 13 rows and one of 20 that gives 3.
    rows = [5, 93, *[IMAGE] * 4, 6, 94, *[AUDIO] * 16, 7, 93, *[VIDEO] * 4, 8], [5, 6, 7]
    heard = torch.zeros(1, 130, dtype=torch.long)
    heard[:, :120] = 1
    media = {
        "pixel_values": torch.randn(16, 24),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "pixel_values_videos": torch.randn(16, 24),
        "video_grid_thw": torch.tensor([[1, 4, 4]]),
        "video_second_per_grid": torch.tensor([1.0]),
        "input_features": torch.randn(1, 8, 130),
        "feature_attention_mask": heard,
    }
    return model, sequences(*rows, pad_left=True) | media, [{"image": 4, "audio": 16, "video": 4, "text": 7}, {"text": 3}]


MIXTURES = {make.__name__: make for make in (qwen3_vl_moe, qwen3_omni_moe)}
