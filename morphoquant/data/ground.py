"""Grounds to draw on, and ink that stands out from them."""

import numpy as np
from PIL import Image

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
CONTRAST = 90.0  # least difference in luminance of ink and mean ground, of 255


def ground(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A plain, shaded, mottled or grainy ground in some colour, float32 [height, width, 3] in 0..255."""
    colour = rng.uniform(10, 245, 3).astype(np.float32)
    # Half of all grounds are nearly grey, as paper and boards are.
    if rng.random() < 0.5:
        colour = colour.mean() + rng.uniform(-12, 12, 3).astype(np.float32)
    canvas = np.broadcast_to(colour, (height, width, 3)).astype(np.float32)
    kind = rng.choice(("plain", "shaded", "mottled", "grainy"))
    if kind == "shaded":
        canvas = canvas + _slope(rng, height, width)[..., None] * rng.uniform(20, 45)
    elif kind == "mottled":
        canvas = canvas + _clouds(rng, height, width)[..., None] * rng.uniform(10, 25)
    elif kind == "grainy":
        canvas = canvas + rng.normal(0, rng.uniform(3, 9), (height, width, 1)).astype(np.float32)
    return np.clip(canvas, 0, 255)


def ink(rng: np.random.Generator, behind: np.ndarray) -> np.ndarray:
    """A colour float32 [3] whose luminance differs from the mean of `behind` by at least CONTRAST."""
    level = float((behind.reshape(-1, 3) @ LUMINANCE).mean())
    darker = level > 127
    target = rng.uniform(0, level - CONTRAST) if darker else rng.uniform(level + CONTRAST, 255)
    colour = rng.uniform(0, 255, 3).astype(np.float32)
    # Scaling towards black or white keeps the hue and moves the luminance exactly to the target.
    own = float(colour @ LUMINANCE)
    if own > target:
        return colour * np.float32(target / own)
    return 255 - (255 - colour) * np.float32((255 - target) / (255 - own))


def _slope(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return (rows * np.sin(angle) + columns * np.cos(angle)).astype(np.float32)


def _clouds(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    coarse = Image.fromarray(rng.normal(0, 1, (5, 5)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
