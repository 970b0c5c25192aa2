"""Pictures as the vision encoder wants them, in plain NumPy and PIL."""

import numpy as np
from PIL import Image

# ImageNet's channel means and standard deviations, with which the vision encoder was trained
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 [height, width, 3] -> uint8 [side, side, 3], bicubic; the picture is stretched to a square."""
    if image.shape[:2] == (side, side):
        return image
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def chosen_frames(video: np.ndarray, most: int) -> np.ndarray:
    """At most `most` frames of [frames, height, width, 3], evenly spread, first and last kept."""
    if len(video) <= most:
        return video
    return video[np.linspace(0, len(video) - 1, most).round().astype(int)]
