"""Tiny random models of further stock classes, made like those of `tiny_models`; towers need not run the same number of rows."""

import torch
import transformers as tf
from tiny_gemma3n import gemma3n
from tiny_models import AUDIO, IMAGE, TEXT, VIDEO, VIT, seeded, sequences
from tiny_molmo2 import molmo2, molmo2_video

LLAMA = TEXT | {"num_key_value_heads": 2, "model_type": "llama", "pad_token_id": 0}
PATCHES = torch.tensor([[x, y] for y in range(4) for x in range(4)])


def llava():
    config = tf.LlavaConfig(
        vision_config=VIT | {"model_type": "clip_vision_model", "projection_dim": 32},
        text_config=LLAMA,
        image_token_index=IMAGE,
    )
    model = seeded(lambda: tf.LlavaForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * 16, 6], [5, 6, 7])
    return model, batch | {"pixel_values": torch.randn(1, 3, 8, 8)}, [{"image": 16, "text": 2}, {"text": 3}]


def idefics3():
    config = tf.Idefics3Config(vision_config=VIT, text_config=LLAMA, image_token_id=IMAGE, scale_factor=2)
    model = seeded(lambda: tf.Idefics3ForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * 4, 6], [5, *[IMAGE] * 4, 6, 7])
    return model, batch | {"pixel_values": torch.randn(2, 1, 3, 8, 8)}, [{"image": 4, "text": 2}, {"image": 4, "text": 3}]


def _gemma4(**text):
    config = tf.Gemma4Config(
        text_config=TEXT
        | {
            "num_key_value_heads": 2,
            "head_dim": 8,
            "global_head_dim": 8,
            "layer_types": ["sliding_attention", "full_attention"],
            "hidden_size_per_layer_input": 4,
            "vocab_size_per_layer_input": 100,
            "sliding_window": 8,
            **text,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "patch_size": 2,
            "pooling_kernel_size": 2,
            "position_embedding_size": 16,
        },
        audio_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "subsampling_conv_channels": [128, 4],
            "output_proj_dims": 32,
        },
        image_token_id=IMAGE,
        audio_token_id=AUDIO,
        video_token_id=VIDEO,
    )
    model = seeded(lambda: tf.Gemma4ForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * 4, 6, *[AUDIO] * 6, 7, *[VIDEO] * 8, 8], [5, 6, 7])
    heard = torch.zeros(1, 30, dtype=torch.bool)
    heard[:, :24] = True
    # Four patches of padding behind the sixteen of the image.
    padded = torch.cat([PATCHES, torch.full((4, 2), -1)])[None]
    media = {
        "pixel_values": torch.rand(1, 20, 12),
        "image_position_ids": padded,
        "pixel_values_videos": torch.rand(2, 16, 12),
        "video_position_ids": PATCHES.expand(2, 16, 2),
        "num_frames_per_video": torch.tensor([2]),
        "input_features": torch.randn(1, 30, 128),
        "input_features_mask": heard,
    }
    return model, batch | media, [{"image": 4, "audio": 6, "video": 8, "text": 4}, {"text": 3}]


def gemma4():
    return _gemma4()


def gemma4_moe():
    return _gemma4(enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=16)


def phi4_multimodal():
    config = tf.Phi4MultimodalConfig(
        **TEXT,
        num_key_value_heads=2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=[2],
        vision_config=VIT | {"crop_size": 8, "image_token_id": IMAGE},
        audio_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_blocks": 2,
            "num_attention_heads": 2,
            "ext_pw_out_channel": 32,
            "depthwise_separable_out_channel": 32,
            "input_size": 16,
            "nemo_conv_channels": 8,
            "audio_token_id": AUDIO,
        },
    )
    model = seeded(lambda: tf.Phi4MultimodalForCausalLM(config))
    # Two rows of two patches with a separator each, for the crop and for the whole image, and a separator between the two.
    batch = sequences([5, *[IMAGE] * 13, 6, *[AUDIO] * 4, 7], [5, 6, 7])
    media = {
        "image_pixel_values": torch.randn(1, 2, 3, 8, 8),
        "image_sizes": torch.tensor([[8, 8]]),
        "image_attention_mask": torch.ones(1, 2, 4, 4),
        "audio_input_features": torch.randn(1, 32, 16),
        "audio_embed_sizes": torch.tensor([4]),
        "audio_attention_mask": torch.ones(1, 32, dtype=torch.bool),
    }
    return model, batch | media, [{"image": 13, "audio": 4, "text": 3}, {"text": 3}]


def granite_speech():
    config = tf.GraniteSpeechConfig(
        text_config=TEXT | {"num_key_value_heads": 2, "model_type": "granite", "pad_token_id": 0},
        encoder_config={
            "input_dim": 8,
            "num_layers": 2,
            "hidden_dim": 32,
            "feedforward_mult": 2,
            "num_heads": 2,
            "output_dim": 10,
            "context_size": 8,
            "max_pos_emb": 16,
            "conv_kernel_size": 3,
        },
        projector_config={
            "model_type": "blip_2_qformer",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "encoder_hidden_size": 32,
            "cross_attention_frequency": 1,
        },
        audio_token_index=AUDIO,
        has_lora_adapter=False,
        window_size=6,
        downsample_rate=3,
    )
    model = seeded(lambda: tf.GraniteSpeechForConditionalGeneration(config))
    batch = sequences([5, *[AUDIO] * 8, 6], [5, *[AUDIO] * 8, 6, 7])
    media = {"input_features": torch.randn(2, 20, 8), "input_features_mask": torch.ones(2, 8, dtype=torch.bool)}
    return model, batch | media, [{"audio": 8, "text": 2}, {"audio": 8, "text": 3}]


def kimi_k25():
    config = tf.Kimi_K25Config(
        text_config=TEXT
        | {
            "model_type": "deepseek_v3",
            "num_key_value_heads": 4,
            "moe_intermediate_size": 16,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_group": 1,
            "topk_group": 1,
            "first_k_dense_replace": 1,
            "kv_lora_rank": 16,
            "q_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 8,
        },
        vision_config={
            "patch_size": 2,
            "pos_emb_height": 4,
            "pos_emb_width": 4,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
        },
        projection_hidden_size=32,
        image_token_id=IMAGE,
        video_token_id=VIDEO,
    )
    model = seeded(lambda: tf.Kimi_K25ForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * 4, 6, *[VIDEO] * 4, 8], [5, 6, 7])
    media = {
        "pixel_values": torch.randn(16, 3, 2, 2),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "pixel_values_videos": torch.randn(16, 3, 2, 2),
        "video_grid_thw": torch.tensor([[1, 4, 4]]),
    }
    return model, batch | media, [{"image": 4, "video": 4, "text": 3}, {"text": 3}]


def minicpm_v():
    config = tf.MiniCPMV4_6Config(
        text_config=TEXT
        | {
            "model_type": "qwen3_5_text",
            "num_key_value_heads": 2,
            "head_dim": 8,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
        vision_config=VIT | {"image_size": 16},
        insert_layer_id=0,
        image_token_id=IMAGE,
        video_token_id=VIDEO,
    )
    model = seeded(lambda: tf.MiniCPMV4_6ForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * 4, 6, *[VIDEO] * 4, 8], [5, 6, 7])
    media = {
        "pixel_values": torch.randn(1, 3, 2, 128),
        "target_sizes": torch.tensor([[8, 8]]),
        "pixel_values_videos": torch.randn(1, 3, 2, 128),
        "target_sizes_videos": torch.tensor([[8, 8]]),
    }
    return model, batch | media, [{"image": 4, "video": 4, "text": 3}, {"text": 3}]


FAMILIES = {
    make.__name__: make
    for make in (
        llava,
        idefics3,
        molmo2,
        molmo2_video,
        gemma3n,
        gemma4,
        gemma4_moe,
        phi4_multimodal,
        granite_speech,
        kimi_k25,
        minicpm_v,
    )
}
