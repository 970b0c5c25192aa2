"""Crops of photographs, and a camera that pans and zooms over them."""

import numpy as np
from PIL import Image

from morphoquant.data.media import Photograph, photograph, photographs

CROP_SIZES = ((224, 224), (224, 168), (168, 224))  # height, width in pixels
FRAME = 168  # pixels, side of a video frame


def of_split(split: str) -> tuple[Photograph, ...]:
    """The photographs of "calibration" or "evaluation"; there are none to train on."""
    return tuple(one for one in photographs() if one.split == split)


def crop(rng: np.random.Generator, one: Photograph) -> np.ndarray:
    """Three quarters to all of the picture's shorter side, anywhere, uint8 [168 or 224, 168 or 224, 3]."""
    height, width = CROP_SIZES[rng.integers(len(CROP_SIZES))]
    whole = photograph(one.name)
    scale = min(whole.shape[0] / height, whole.shape[1] / width) * rng.uniform(0.75, 1.0)
    centre = _centre(rng, whole, height * scale, width * scale)
    return _view(Image.fromarray(whole), centre, height * scale, width * scale, height, width)


def travel(rng: np.random.Generator, one: Photograph, frames: int) -> np.ndarray:
    """A slow move from one view of the picture to another, uint8 [frames, 168, 168, 3]; half of them zoom as well."""
    whole = photograph(one.name)
    side = min(whole.shape[:2])
    sides = side * (rng.uniform(0.5, 1.0, 2) if rng.random() < 0.5 else np.full(2, rng.uniform(0.5, 0.7)))
    starts, ends = _centre(rng, whole, sides[0], sides[0]), _centre(rng, whole, sides[1], sides[1])
    picture = Image.fromarray(whole)
    shown = []
    for part in np.linspace(0, 1, frames):
        size = sides[0] * (1 - part) + sides[1] * part
        shown.append(_view(picture, starts * (1 - part) + ends * part, size, size, FRAME, FRAME))
    return np.stack(shown)


def _centre(rng: np.random.Generator, whole: np.ndarray, height: float, width: float) -> np.ndarray:
    return np.array([rng.uniform(height / 2, whole.shape[0] - height / 2), rng.uniform(width / 2, whole.shape[1] - width / 2)])


def _view(picture: Image.Image, centre: np.ndarray, height: float, width: float, rows: int, columns: int) -> np.ndarray:
    top, left = centre[0] - height / 2, centre[1] - width / 2
    # Rounding may put the box a hair outside of the picture, which PIL refuses.
    box = (max(0, left), max(0, top), min(picture.width, left + width), min(picture.height, top + height))
    return np.asarray(picture.resize((columns, rows), Image.Resampling.BICUBIC, box=box))
