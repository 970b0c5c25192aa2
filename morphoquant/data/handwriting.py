"""Pictures and moving pictures of handwritten digits, placed on a varied ground."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from morphoquant.data.ground import ground, ink
from morphoquant.data.media import INK, digits
from morphoquant.data.words import DIRECTIONS, SPLITS

SIDE = 112  # pixels, of the canvas

# Neighbouring items of the source are by the same writer, so splits are runs of it and not a shuffle.
SPLIT_INDICES = dict(zip(SPLITS, (range(0, 1300), range(1300, 1440), range(1440, 1797)), strict=True))
_STEPS = dict(zip(DIRECTIONS, ((0, -1), (0, 1), (-1, 0), (1, 0)), strict=True))


@dataclass(frozen=True)
class Stamp:
    """A digit ready to be drawn: its label and the coverage of its ink, float32 [size, size] in 0..1."""

    label: int
    cover: np.ndarray


def stamp(rng: np.random.Generator, split: str, size: int, *, label: int | None = None, index: int | None = None) -> Stamp:
    """A digit of `split`, enlarged to `size` pixels and turned by up to 10 degrees; to train, also slanted, stretched, thinned.

    Args:
        rng: source of every choice.
        split: "train", "calibration" or "evaluation"; ignored where `index` is given.
        size: side of the square that it fills, pixels.
        label: the digit wanted, any if absent.
        index: the very item of the source, absent to draw one.
    """
    pictures, labels = digits()
    if index is None:
        of_split = np.array(SPLIT_INDICES[split])
        index = int(rng.choice(of_split if label is None else of_split[labels[of_split] == label]))
    # A rim of one cell keeps the strokes whole when the cell is turned.
    cell = Image.fromarray(np.pad(pictures[index], 1).astype(np.float32) / INK)
    large = cell.resize((size, size), Image.Resampling.BICUBIC)
    turned = large.rotate(rng.uniform(-10, 10), Image.Resampling.BICUBIC)
    thin = 0.3
    if split == "train":
        # Few writers stand for many: what differs between writers is varied.
        turned, thin = _slanted(rng, turned), rng.uniform(0.1, 0.5)
    # Steeper than the enlarged cell: pen strokes have edges.
    return Stamp(int(labels[index]), np.clip(np.asarray(turned) * 1.6 - thin, 0, 1))


def _slanted(rng: np.random.Generator, cell: Image.Image) -> Image.Image:
    """Slanted by up to a fifth of the height and up to an eighth wider or narrower, and higher or lower, about its middle."""
    wide, slant, high = 1 + rng.uniform(-0.12, 0.12), rng.uniform(-0.2, 0.2), 1 + rng.uniform(-0.12, 0.12)
    middle = cell.size[0] / 2
    matrix = (wide, slant, middle * (1 - wide - slant), 0.0, high, middle * (1 - high))
    return cell.transform(cell.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def draw(canvas: np.ndarray, cover: np.ndarray, colour: np.ndarray, top: int, left: int) -> np.ndarray:
    """A copy of `canvas` [height, width, 3] with ink laid over it; what falls outside is cut off."""
    drawn = canvas.copy()
    height, width = canvas.shape[:2]
    rows = slice(max(0, top), min(height, top + cover.shape[0]))
    columns = slice(max(0, left), min(width, left + cover.shape[1]))
    inside = cover[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left, None]
    drawn[rows, columns] = drawn[rows, columns] * (1 - inside) + colour * inside
    return drawn


def picture(rng: np.random.Generator, stamps: list[Stamp], side: int = SIDE) -> np.ndarray:
    """Stamps in a row from left to right, each somewhere in its share of the width, uint8 [side, side, 3]."""
    canvas = ground(rng, side, side)
    colour = ink(rng, canvas)
    share = side // len(stamps)
    for place, one in enumerate(stamps):
        size = one.cover.shape[0]
        left = place * share + _room(rng, share - size)
        canvas = draw(canvas, one.cover, colour, _room(rng, side - size), left)
    return to_bytes(canvas)


def moving(rng: np.random.Generator, one: Stamp, direction: str, frames: int, side: int = SIDE) -> np.ndarray:
    """A stamp that crosses the picture evenly in a direction, always fully visible, uint8 [frames, side, side, 3]."""
    canvas = ground(rng, side, side)
    colour = ink(rng, canvas)
    room = side - one.cover.shape[0]
    down, right = _STEPS[direction]
    drift = np.linspace(-0.5, 0.5, frames) * room * rng.uniform(0.8, 1.0)
    across = rng.integers(0, room + 1)
    shown = []
    for shift in drift:
        along = round(room / 2 + shift * (down or right))
        top, left = (along, across) if down else (across, along)
        shown.append(draw(canvas, one.cover, colour, top, left))
    return to_bytes(np.stack(shown))


def in_order(rng: np.random.Generator, stamps: list[Stamp], frames: int, side: int = SIDE) -> np.ndarray:
    """Stamps shown one after the other at one place, for equal times where `frames` divides, uint8 [frames, side, side, 3]."""
    canvas = ground(rng, side, side)
    colour = ink(rng, canvas)
    room = side - max(one.cover.shape[0] for one in stamps)
    top, left = _room(rng, room), _room(rng, room)
    shown = [draw(canvas, stamps[at * len(stamps) // frames].cover, colour, top, left) for at in range(frames)]
    return to_bytes(np.stack(shown))


def to_bytes(canvas: np.ndarray) -> np.ndarray:
    """Rounds 0..255 to uint8."""
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8)


def _room(rng: np.random.Generator, room: int) -> int:
    return int(rng.integers(0, max(room, 0) + 1))
