"""Media in the shapes that lmms-eval's tasks hand out, as parts: pictures, sounds of any rate, video files."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import soundfile
from PIL import Image

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.clips import read_clip
from morphoquant.data.item_media import read_image
from morphoquant.data.resample import resampled
from morphoquant.data.sample import Part

_SOUNDS = frozenset({".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".opus", ".aiff"})
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"})  # one frame of those that move


def part_of(medium: Any, frames: int, said: str | None = None) -> Part:
    """A medium as a part of a sample; what it is, is told by its type, its fields or the ending of its path.

    Args:
        medium: a PIL picture; a path of a picture, sound or video; a sound as a dict with "array" and "sampling_rate", with
            "bytes", or as a decoder of the datasets library; a video as a dict with "path" and "video_start", "video_end".
        frames: that a video file is read as, at most.
        said: what lmms-eval says it is: "image", "audio" or "video". Of sounds it says "video" too.

    Raises:
        BatchError: it cannot be read, or is none of these.
    """
    if isinstance(medium, Image.Image):
        return Part(Modality.IMAGE, np.array(medium.convert("RGB")))
    if hasattr(medium, "get_all_samples"):  # a torchcodec decoder
        decoded = medium.get_all_samples()
        return _sound(np.asarray(decoded.data), decoded.sample_rate)
    if isinstance(medium, Mapping):
        return _from_fields(medium, frames, medium.get("type", said))
    if isinstance(medium, str | Path):
        return _from_path(medium, frames, said)
    raise BatchError(
        f"lmms-eval handed over a {type(medium).__name__}, which is no medium that can be read: "
        "pictures, sounds and paths of videos are."
    )


def _from_fields(fields: Mapping[str, Any], frames: int, said: str | None) -> Part:
    if "array" in fields:
        return _sound(np.asarray(fields["array"]), fields["sampling_rate"])
    path = fields.get("path") or fields.get("url")
    if fields.get("bytes") is not None:
        if _ending(path) in _PICTURES:
            return part_of(Image.open(io.BytesIO(fields["bytes"])), frames)
        return _read_sound(io.BytesIO(fields["bytes"]), str(path or "of bytes"))
    if not isinstance(path, str | Path):
        raise BatchError(f"lmms-eval handed over a medium with the fields {', '.join(fields)}: it has no path, bytes or array.")
    return _from_path(path, frames, said, fields.get("video_start"), fields.get("video_end"))


def _from_path(path: str | Path, frames: int, said: str | None, start: float | None = None, end: float | None = None) -> Part:
    place = urlparse(str(path))
    if place.scheme in ("http", "https", "data"):
        raise BatchError(f"the medium {str(path)[:60]!r} is not a file on this machine: fetch it first, nothing is fetched here.")
    file = Path(place.path) if place.scheme == "file" else Path(path)
    if said == "audio" or _ending(file) in _SOUNDS:
        if not file.is_file():
            raise BatchError(
                f"there is no sound {str(file)!r}: fetch the task's data first, or run lmms-eval with --force_simple."
            )
        return _read_sound(file, file.name)
    if said == "image" or (said is None and _ending(file) in _PICTURES):
        return Part(Modality.IMAGE, read_image(file))
    return Part(Modality.VIDEO, read_clip(file, frames, start, end))


def _read_sound(source: Any, name: str) -> Part:
    try:
        levels, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise BatchError(f"the sound {name!r} cannot be read: convert it to WAV or FLAC.") from error
    return _sound(levels, rate)


def _sound(levels: np.ndarray, rate: Any) -> Part:
    if levels.ndim == 2:  # channels are fewer than samples
        levels = levels.mean(axis=int(np.argmin(levels.shape)))
    if levels.ndim != 1 or not levels.size or not float(rate) > 0:
        raise BatchError(
            f"a sound of shape {list(levels.shape)} at {rate} samples a second cannot be used: give one or more samples."
        )
    if levels.dtype.kind == "i":
        levels = levels / (np.iinfo(levels.dtype).max + 1)
    return Part(Modality.AUDIO, resampled(levels, int(rate)))


def _ending(path: Any) -> str:
    return Path(str(path or "")).suffix.lower()
