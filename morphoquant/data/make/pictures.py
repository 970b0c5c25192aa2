"""Reads handwriting and photographs out of the scikit-learn and scikit-image wheels and writes them small."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from morphoquant.data.make.photographs import PHOTOGRAPHS, Photograph

ATLAS_COLUMNS = 60
LONG_SIDE = 288  # pixels
JPEG_QUALITY = 85


def write_digits(wheel: Path, media: Path) -> None:
    """digits.png, an atlas of 8x8 cells in reading order with ink 0..16, and digits.json with the label of each cell."""
    with zipfile.ZipFile(wheel) as archive:
        table = gzip.decompress(archive.read("sklearn/datasets/data/digits.csv.gz"))
    rows = np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.int64)
    cells, labels = rows[:, :64].reshape(-1, 8, 8).astype(np.uint8), rows[:, 64]
    lines = -(-len(cells) // ATLAS_COLUMNS)
    padded = np.zeros((lines * ATLAS_COLUMNS, 8, 8), np.uint8)
    padded[: len(cells)] = cells
    atlas = padded.reshape(lines, ATLAS_COLUMNS, 8, 8).transpose(0, 2, 1, 3).reshape(lines * 8, ATLAS_COLUMNS * 8)
    # Ink 0..16 is stretched to 0..240, so that the atlas can be looked at.
    Image.fromarray(atlas * 15).save(media / "digits.png", optimize=True)
    index = {"columns": ATLAS_COLUMNS, "labels": "".join(map(str, labels))}
    (media / "digits.json").write_text(json.dumps(index) + "\n", encoding="utf-8", newline="\n")


def write_photographs(wheels: dict[str, Path], media: Path) -> None:
    """One JPEG for each of PHOTOGRAPHS, longer side at most `LONG_SIDE`, and photographs.json with what is known of it."""
    entries = []
    for photograph in PHOTOGRAPHS:
        with zipfile.ZipFile(wheels[photograph.wheel]) as archive:
            picture = Image.open(io.BytesIO(archive.read(photograph.path))).convert("RGB")
        picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
        picture.save(media / f"{photograph.name}.jpg", quality=JPEG_QUALITY, optimize=True)
        entries.append(_entry(photograph))
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    (media / "photographs.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")


def _entry(photograph: Photograph) -> dict:
    return {"name": photograph.name, "split": photograph.split, "shows": photograph.shows}
