"""Decoder blocks with the layer sizes of Qwen2.5-Omni-7B's thinker, of the stock classes, with random weights.

The towers are a stub of one small layer and see nothing: image, audio and video tokens come as placeholder ids, by which the
hooks label them, and take their embeddings from the table like text. So what runs is the language model alone, whose linears
hold nine tenths of the 7B model's values.
"""

import torch
from torch import Tensor
from transformers import Qwen2_5OmniThinkerForConditionalGeneration
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

VOCABULARY = 2048
_IMAGE, _AUDIO, _VIDEO, _VISION_START, _AUDIO_START = range(VOCABULARY - 5, VOCABULARY)
# Shares of the tokens of a sequence; the rest is text, before and after the media.
_SHARES = {_IMAGE: 0.3, _AUDIO: 0.15, _VIDEO: 0.2}
_HEADS, _KEY_HEADS = 28, 4


def thinker(blocks: int, hidden: int, intermediate: int, dtype: torch.dtype) -> Qwen2_5OmniThinkerForConditionalGeneration:
    """The model, in eval mode.

    Args:
        blocks: decoder blocks.
        hidden: 3584 in the 7B model; a multiple of 56, for 28 heads of an even width.
        intermediate: 18944 in the 7B model.
        dtype: of weights and activations.
    """
    text = text_config(VOCABULARY, hidden, intermediate, blocks, (_HEADS, _KEY_HEADS))
    tower = {"depth": 1, "num_heads": 2, "hidden_size": 32, "out_hidden_size": hidden, "intermediate_size": 48}
    audio = {"d_model": 32, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 48, "output_dim": hidden}
    parts = {"text_config": text, "vision_config": tower | {"fullatt_block_indexes": [0]}, "audio_config": audio}
    return thinker_of(parts, (_IMAGE, _AUDIO, _VIDEO), (_VISION_START, _AUDIO_START)).to(dtype).eval()


def thinker_of(
    parts: dict[str, dict], media: tuple[int, int, int], starts: tuple[int, int]
) -> Qwen2_5OmniThinkerForConditionalGeneration:
    """The model of configs of its parts, with the ids of image, audio and video, and those before something seen or heard."""
    image, audio, video = media
    config = Qwen2_5OmniThinkerConfig(
        **parts,
        image_token_index=image,
        audio_token_index=audio,
        video_token_index=video,
        vision_start_token_id=starts[0],
        audio_start_token_id=starts[1],
    )
    return Qwen2_5OmniThinkerForConditionalGeneration(config)


def batch(tokens: int, sequences: int) -> dict[str, Tensor]:
    """Ids of text, image, audio and video tokens: so many in all, in so many sequences of equal length."""
    length = tokens // sequences
    media = [one for index, share in _SHARES.items() for one in [index] * int(share * length)]
    before = (length - len(media)) // 2
    ids = torch.randint(0, VOCABULARY - 5, (sequences, length))
    ids[:, before : before + len(media)] = torch.tensor(media)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def text_config(vocabulary: int, hidden: int, intermediate: int, blocks: int, heads: tuple[int, int]) -> dict:
    """A Qwen2.5 language model's config, for the models that give positions in time, height and width.

    Args:
        vocabulary: tokens.
        hidden: width of the residual stream.
        intermediate: width of the MLP.
        blocks: decoder blocks.
        heads: of queries, of keys and values; a head's rotary pairs are shared out among time, height and width: 16, 24 and 24
            of 64 in the 7B model.
    """
    pairs = hidden // heads[0] // 2
    time = pairs // 4
    height = (pairs - time) // 2
    sections = [time, height, pairs - time - height]
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": blocks,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "rope_parameters": {"rope_type": "default", "mrope_section": sections, "rope_theta": 1e6},
    }
