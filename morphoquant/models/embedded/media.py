"""Media to the tensors that the encoders read: normalised pictures, and sound with Whisper's own mel filter."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

from morphoquant.core.errors import BatchError
from morphoquant.models.embedded.pixels import DEVIATION, MEAN, resized

SAMPLE_RATE = 16_000  # Hz


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 [pictures, side, side, 3] -> float32 [pictures, 3, side, side]."""
    mean, deviation = (torch.from_numpy(values).to(pixels.device) for values in (MEAN, DEVIATION))
    return ((pixels.float() / 255 - mean) / deviation).permute(0, 3, 1, 2).contiguous()


def pictures(images: Sequence[np.ndarray], side: int) -> torch.Tensor:
    """uint8 pictures of any size -> float32 [pictures, 3, side, side]."""
    return normalised(torch.from_numpy(np.stack([resized(image, side) for image in images])))


def mel_features(
    clips: Sequence[np.ndarray], extractor: WhisperFeatureExtractor, device: str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sound, mono at 16 kHz -> (float32 [clips, mels, 3000], mask [clips, 3000] that is 0 on padding).

    Raises:
        BatchError: a clip is longer than the 30 seconds that the encoder hears.
    """
    for clip in clips:
        if len(clip) > extractor.n_samples:
            seconds = len(clip) / SAMPLE_RATE
            raise BatchError(
                f"an audio part lasts {seconds:.1f} s: the audio encoder hears {extractor.chunk_length} s at most, cut it."
            )
    out = extractor(
        list(clips),
        sampling_rate=SAMPLE_RATE,
        padding="max_length",
        return_attention_mask=True,
        return_tensors="np",
        device=device,
    )
    return torch.from_numpy(np.asarray(out["input_features"])), torch.from_numpy(np.asarray(out["attention_mask"])).long()


def audio_tokens(mask: torch.Tensor, stack: int) -> list[int]:
    """Audio tokens of each clip, from its mel mask [clips, mel frames] and the encoder frames that one token covers."""
    frames = (mask.sum(-1) - 1) // 2 + 1
    return (-(-frames // stack)).tolist()
