"""Media to the tensors that the encoders read: pictures with PIL, sound with Whisper's own mel filter."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

from morphoquant.core.errors import BatchError

SAMPLE_RATE = 16_000  # Hz
# ImageNet's channel means and standard deviations, with which the vision encoder was trained
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def picture(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 [height, width, 3] -> float32 [3, side, side], normalised; the picture is stretched to a square."""
    resized = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    return ((np.asarray(resized, dtype=np.float32) / 255 - _MEAN) / _DEVIATION).transpose(2, 0, 1)


def pictures(images: Sequence[np.ndarray], side: int) -> torch.Tensor:
    """uint8 pictures -> float32 [pictures, 3, side, side]."""
    return torch.from_numpy(np.stack([picture(image, side) for image in images]))


def chosen_frames(video: np.ndarray, most: int) -> np.ndarray:
    """At most `most` frames of [frames, height, width, 3], evenly spread, first and last kept."""
    if len(video) <= most:
        return video
    return video[np.linspace(0, len(video) - 1, most).round().astype(int)]


def mel_features(clips: Sequence[np.ndarray], extractor: WhisperFeatureExtractor) -> tuple[torch.Tensor, torch.Tensor]:
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
    out = extractor(list(clips), sampling_rate=SAMPLE_RATE, padding="max_length", return_attention_mask=True, return_tensors="np")
    return torch.from_numpy(np.asarray(out["input_features"])), torch.from_numpy(np.asarray(out["attention_mask"])).long()
