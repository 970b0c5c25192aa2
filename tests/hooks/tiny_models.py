"""Tiny random models of stock classes, each with a batch that holds every modality it takes and padding on one sequence.

Each entry tells the batch and, by sequence, how many tokens of each modality it holds.
"""

import torch
import transformers as tf

TEXT = {"vocab_size": 100, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
QWEN_TEXT = TEXT | {
    "num_key_value_heads": 2,
    "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4},
}
QWEN_VISION = {"depth": 2, "num_heads": 2, "patch_size": 2, "spatial_merge_size": 2, "temporal_patch_size": 2}
WINDOWS = {"window_size": 8, "fullatt_block_indexes": [1]}
VIT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 8,
    "patch_size": 2,
}
WHISPER_LIKE = {
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "num_mel_bins": 8,
    "max_source_positions": 50,
}
IMAGE, AUDIO, VIDEO = 90, 91, 92


def sequences(*rows, pad_left=False):
    """input_ids and attention_mask of rows of unequal length."""
    width = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        place = slice(width - len(row), None) if pad_left else slice(0, len(row))
        ids[index, place], mask[index, place] = torch.tensor(row), 1
    return {"input_ids": ids, "attention_mask": mask}


def seeded(make):
    torch.manual_seed(0)
    return make().eval()


def qwen2_5_omni():
    config = tf.models.qwen2_5_omni.configuration_qwen2_5_omni.Qwen2_5OmniThinkerConfig(
        audio_config=WHISPER_LIKE | {"n_window": 8, "output_dim": 32},
        vision_config=QWEN_VISION | {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 48, **WINDOWS},
        text_config=QWEN_TEXT,
        image_token_index=IMAGE,
        audio_token_index=AUDIO,
        video_token_index=VIDEO,
        vision_start_token_id=93,
        audio_start_token_id=94,
    )
    model = seeded(lambda: tf.Qwen2_5OmniThinkerForConditionalGeneration(config))
    rows = [5, 93, *[IMAGE] * 4, 6, 94, *[AUDIO] * 6, 7, 93, *[VIDEO] * 4, 8], [5, 6, 7]
    features = torch.randn(1, 8, 30)
    heard = torch.zeros(1, 30, dtype=torch.long)
    heard[:, :24] = 1
    media = {
        "pixel_values": torch.randn(16, 24),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "pixel_values_videos": torch.randn(16, 24),
        "video_grid_thw": torch.tensor([[1, 4, 4]]),
        "video_second_per_grid": torch.tensor([1.0]),
        "input_features": features,
        "feature_attention_mask": heard,
    }
    return model, sequences(*rows, pad_left=True) | media, [{"image": 4, "audio": 6, "video": 4, "text": 7}, {"text": 3}]


def _qwen_vl(model_class, config):
    return qwen_vl_batch(seeded(lambda: model_class(config)))


def qwen_vl_batch(model):
    batch = sequences([5, 93, *[IMAGE] * 4, 6, 93, *[VIDEO] * 4, 8], [5, 6, 7])
    batch["mm_token_type_ids"] = (batch["input_ids"] == IMAGE).long() + 2 * (batch["input_ids"] == VIDEO).long()
    vision = model.config.vision_config
    channels = 3 * vision.temporal_patch_size * vision.patch_size**2
    media = {
        "pixel_values": torch.randn(16, channels),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "pixel_values_videos": torch.randn(16, channels),
        "video_grid_thw": torch.tensor([[1, 4, 4]]),
    }
    return model, batch | media, [{"image": 4, "video": 4, "text": 5}, {"text": 3}]


def qwen_ids():
    return {"image_token_id": IMAGE, "video_token_id": VIDEO, "vision_start_token_id": 93, "vision_end_token_id": 94}


def qwen2_5_vl():
    vision = QWEN_VISION | {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 48, **WINDOWS}
    return _qwen_vl(
        tf.Qwen2_5_VLForConditionalGeneration, tf.Qwen2_5_VLConfig(text_config=QWEN_TEXT, vision_config=vision, **qwen_ids())
    )


def qwen2_vl():
    vision = QWEN_VISION | {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    return _qwen_vl(
        tf.Qwen2VLForConditionalGeneration, tf.Qwen2VLConfig(text_config=QWEN_TEXT, vision_config=vision, **qwen_ids())
    )


def qwen3_vl():
    vision = QWEN_VISION | {
        "hidden_size": 32,
        "out_hidden_size": 32,
        "intermediate_size": 48,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    text = QWEN_TEXT | {"head_dim": 8}
    return _qwen_vl(tf.Qwen3VLForConditionalGeneration, tf.Qwen3VLConfig(text_config=text, vision_config=vision, **qwen_ids()))


def qwen2_audio():
    config = tf.Qwen2AudioConfig(
        audio_config=WHISPER_LIKE | {"model_type": "qwen2_audio_encoder"},
        text_config=TEXT | {"num_key_value_heads": 2, "model_type": "qwen2"},
        audio_token_index=AUDIO,
    )
    model = seeded(lambda: tf.Qwen2AudioForConditionalGeneration(config))
    heard = torch.zeros(2, 100, dtype=torch.long)
    heard[0, :80], heard[1, :41] = 1, 1
    media = {"input_features": torch.randn(2, 8, 100), "feature_attention_mask": heard}
    batch = sequences([5, *[AUDIO] * 20, 6], [5, *[AUDIO] * 10, 6, 7], pad_left=True)
    return model, batch | media, [{"audio": 20, "text": 2}, {"audio": 10, "text": 3}]


def llava_onevision():
    config = tf.LlavaOnevisionConfig(
        vision_config=VIT | {"model_type": "siglip_vision_model", "vision_use_head": False},
        text_config=TEXT | {"num_key_value_heads": 2, "model_type": "qwen2"},
        image_token_index=IMAGE,
        video_token_index=VIDEO,
        image_grid_pinpoints=[[8, 8]],
    )
    model = seeded(lambda: tf.LlavaOnevisionForConditionalGeneration(config))
    # One tile and the base image of 4 x 4 patches, a newline after each row of the tile; video frames pool 16 patches to 4.
    batch = sequences([5, *[IMAGE] * 36, 6], [5, *[VIDEO] * 9, 6])
    media = {
        "pixel_values": torch.randn(1, 2, 3, 8, 8),
        "image_sizes": torch.tensor([[8, 8]]),
        "pixel_values_videos": torch.randn(1, 2, 3, 8, 8),
    }
    return model, batch | media, [{"image": 36, "text": 2}, {"video": 9, "text": 2}]


def internvl():
    config = tf.InternVLConfig(
        vision_config=VIT | {"image_size": [8, 8], "patch_size": [2, 2]},
        text_config=TEXT | {"num_key_value_heads": 2, "model_type": "qwen2"},
        image_token_id=IMAGE,
    )
    model = seeded(lambda: tf.InternVLForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * 4, 6], [5, *[IMAGE] * 4, 6, 7])
    return model, batch | {"pixel_values": torch.randn(2, 3, 8, 8)}, [{"image": 4, "text": 2}, {"image": 4, "text": 3}]


def smolvlm():
    config = tf.SmolVLMConfig(
        vision_config=VIT,
        text_config=TEXT | {"num_key_value_heads": 2, "model_type": "llama", "pad_token_id": 0},
        image_token_id=IMAGE,
        scale_factor=2,
    )
    model = seeded(lambda: tf.SmolVLMForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * 4, 6], [5, *[IMAGE] * 4, 6, 7])
    return model, batch | {"pixel_values": torch.randn(2, 1, 3, 8, 8)}, [{"image": 4, "text": 2}, {"image": 4, "text": 3}]


def voxtral():
    # The connector joins four frames of the encoder: its width is that of the encoder's feed-forward.
    config = tf.VoxtralConfig(
        audio_config=WHISPER_LIKE | {"encoder_ffn_dim": 128, "max_source_positions": 48},
        text_config=TEXT | {"num_key_value_heads": 2, "model_type": "llama", "head_dim": 8},
        audio_token_id=AUDIO,
    )
    model = seeded(lambda: tf.VoxtralForConditionalGeneration(config))
    batch = sequences([5, *[AUDIO] * 12, 6], [5, 6, 7])
    return model, batch | {"input_features": torch.randn(1, 8, 96)}, [{"audio": 12, "text": 2}, {"text": 3}]


def gemma3():
    config = tf.Gemma3Config(
        vision_config=VIT | {"model_type": "siglip_vision_model", "vision_use_head": False},
        text_config=TEXT | {"num_key_value_heads": 2, "head_dim": 8},
        mm_tokens_per_image=4,
        image_token_index=IMAGE,
        boi_token_index=93,
        eoi_token_index=94,
    )
    model = seeded(lambda: tf.Gemma3ForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * 4, 6], [5, 6, 7])
    batch["token_type_ids"] = (batch["input_ids"] == IMAGE).long()
    return model, batch | {"pixel_values": torch.randn(1, 3, 8, 8)}, [{"image": 4, "text": 2}, {"text": 3}]


MODELS = {
    make.__name__: make
    for make in (
        qwen2_5_omni,
        qwen2_5_vl,
        qwen2_vl,
        qwen3_vl,
        qwen2_audio,
        llava_onevision,
        internvl,
        smolvlm,
        voxtral,
        gemma3,
    )
}
