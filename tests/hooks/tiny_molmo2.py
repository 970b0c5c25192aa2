"""A tiny random Molmo2 of the stock class, which takes images or videos, with a batch of each behind the one placeholder."""

import torch
import transformers as tf
from tiny_models import IMAGE, TEXT, VIT, seeded, sequences

from morphoquant.core.modality import Modality
from morphoquant.models.shared_placeholder import STANDS_FOR, said

HEADS = {"num_key_value_heads": 2, "head_dim": 16}


def molmo2():
    # A picture of four by four patches; each token pools four of them.
    media = {"pixel_values": torch.randn(1, 16, 12), "image_token_pooling": torch.arange(16).view(4, 4)}
    return _with_media("image", 4, media | {"image_grids": torch.tensor([[2, 2, 0, 0]]), "image_num_crops": torch.tensor([1])})


def molmo2_video():
    media = {"pixel_values_videos": torch.randn(2, 16, 12), "video_token_pooling": torch.arange(32).view(8, 4)}
    return _with_media("video", 8, media | {"video_grids": torch.tensor([[2, 2, 2]])})


def _with_media(kind, tokens, media):
    config = tf.Molmo2Config(
        vision_config={**VIT, **HEADS, "image_size": [8, 8]},
        adapter_config=HEADS
        | {
            "hidden_size": 32,
            "num_attention_heads": 2,
            "intermediate_size": 48,
            "text_hidden_size": 32,
            "vision_feature_layer": [-1],
        },
        text_config=TEXT | {"num_key_value_heads": 2, "head_dim": 8, "additional_vocab_size": 0},
        image_patch_id=IMAGE,
    )
    model = seeded(lambda: tf.Molmo2ForConditionalGeneration(config))
    batch = sequences([5, *[IMAGE] * tokens, 6], [5, 6, 7])
    ids = batch["input_ids"]
    batch |= {"mm_token_type_ids": (ids == IMAGE).long(), STANDS_FOR: said(Modality(kind), ids)}
    return model, batch | media, [{kind: tokens, "text": 2}, {"text": 3}]
