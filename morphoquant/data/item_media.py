"""Reads and writes one medium of an item file: pictures, sounds, and videos as pictures. Every refusal is one sentence."""

import io
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from morphoquant.core.errors import BatchError
from morphoquant.data.resample import resampled
from morphoquant.data.sample import SAMPLE_RATE

_SOUNDS = ("WAV", "WAVEX", "FLAC")
_LOOSE = ("OGG", "MP3", "AIFF")  # of which it is not told when they are cut short
_FULL = 32768  # levels of 16-bit sound to 1.0
# Modes of pictures with 8 bits a channel or fewer; deeper ones would be cut off in the dark or the bright.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def read_image(path: Path) -> np.ndarray:
    """A picture in any format that Pillow reads, upright, without transparency.

    Returns:
        uint8 [height, width, 3].

    Raises:
        BatchError: it is missing, corrupt or not of 8 bits.
    """
    with _opened(path) as picture:
        return _pixels(path, ImageOps.exif_transpose(picture))


def read_video(path: Path, count: int | None = None) -> np.ndarray:
    """A moving GIF, PNG or WebP.

    Args:
        path: of the file.
        count: of frames, at most: each from the middle of one of as many equal parts; absent for all. Others are not kept.

    Returns:
        uint8 [frames, height, width, 3].

    Raises:
        BatchError: it is missing, corrupt or of another kind.
    """
    with _opened(path, 'give videos of other kinds as a list of pictures, "frames"') as moving:
        try:
            total = getattr(moving, "n_frames", 1)
            wanted = set(range(total) if count is None else middles(total, count).tolist())
            frames = enumerate(ImageSequence.Iterator(moving))
            return np.stack([_pixels(path, frame) for place, frame in frames if place in wanted])
        except (OSError, ValueError, SyntaxError) as error:
            raise _corrupt(path) from error


def middles(length: int, count: int) -> np.ndarray:
    """Places of the middles of `count` equal parts; all places where there are no more."""
    return np.arange(length) if length <= count else ((np.arange(count) + 0.5) * length / count).astype(int)


def read_frames(paths: list[Path]) -> np.ndarray:
    """Pictures of equal size, one a frame.

    Returns:
        uint8 [frames, height, width, 3].

    Raises:
        BatchError: one cannot be read, or is of another size than the first.
    """
    frames = [read_image(path) for path in paths]
    for path, frame in zip(paths, frames, strict=True):
        if frame.shape != frames[0].shape:
            raise BatchError(
                f"frame {path.name!r} is {_size(frame)} pixels and the first frame {_size(frames[0])}: give all frames one size."
            )
    return np.stack(frames)


def read_audio(path: Path) -> np.ndarray:
    """A WAV or FLAC, which must be mono at 16 kHz: nothing is resampled in silence, and in other formats damage goes unnoticed.

    Returns:
        float32 [samples].

    Raises:
        BatchError: it is missing, corrupt, empty, stereo, or of another format or rate.
    """
    levels, rate = _levels(path, _SOUNDS)
    if rate != SAMPLE_RATE:
        raise BatchError(f"sound {path.name!r} has {rate} samples a second: {SAMPLE_RATE} are needed, resample it.")
    if levels.shape[1] != 1:
        raise BatchError(f"sound {path.name!r} has {levels.shape[1]} channels: one is needed, mix it down to mono.")
    return levels[:, 0]


def read_sound(path: Path) -> np.ndarray:
    """A WAV, FLAC, OGG, MP3 or AIFF of any rate and any number of channels: mixed down to mono and brought to 16 kHz.

    Returns:
        float32 [samples].

    Raises:
        BatchError: it is missing, corrupt, empty, or of another format.
    """
    levels, rate = _levels(path, (*_SOUNDS, *_LOOSE))
    return resampled(levels.mean(1), rate)


def write_image(path: Path, value: np.ndarray) -> None:
    """PNG of uint8 [height, width, 3]."""
    content = io.BytesIO()
    Image.fromarray(value).save(content, "PNG")
    write_whole(path, content.getvalue())


def write_audio(path: Path, value: np.ndarray) -> None:
    """16-bit FLAC of float32 [samples] at 16 kHz; what is beyond -1..1 is cut off."""
    content = io.BytesIO()
    levels = np.clip(np.round(value.astype(np.float64) * _FULL), -_FULL, _FULL - 1).astype(np.int16)
    soundfile.write(content, levels, SAMPLE_RATE, "PCM_16", format="FLAC")
    write_whole(path, content.getvalue())


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file such that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _opened(path: Path, hint: str = "give a PNG or a JPEG") -> Image.Image:
    _found(path)
    try:
        with warnings.catch_warnings():
            # A picture large enough for a warning is fine; Pillow raises where it would exhaust memory.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path)
            picture.load()
    except UnidentifiedImageError as error:
        raise BatchError(f"{path.name!r} is corrupt or no picture that can be read: {hint}.") from error
    except Image.DecompressionBombError as error:
        raise BatchError(f"picture {path.name!r} is too large to read safely: make it smaller.") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise _corrupt(path) from error
    return picture


def _pixels(path: Path, picture: Image.Image) -> np.ndarray:
    if picture.mode not in _MODES:
        raise BatchError(f"picture {path.name!r} is of Pillow's mode {picture.mode}: save it with 8 bits a channel.")
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    return np.array(picture.convert("RGB"))


def _levels(path: Path, formats: tuple[str, ...]) -> tuple[np.ndarray, int]:
    """(float32 [samples, channels], samples a second)."""
    _found(path)
    try:
        with soundfile.SoundFile(path) as sound:
            if sound.format not in formats:
                allowed = ", ".join(name for name in formats if name not in ("WAVEX", formats[-1]))
                raise BatchError(f"sound {path.name!r} is {sound.format}: {allowed} or {formats[-1]} is needed, convert it.")
            expected, rate, whole = sound.frames, sound.samplerate, sound.format in _SOUNDS
            levels = sound.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise _corrupt(path) from error
    if whole and (len(levels) != expected or _cut_off(path)):
        raise _corrupt(path)
    if not len(levels):
        raise BatchError(f"sound {path.name!r} is empty: give one of at least a few samples, or leave the item out.")
    return levels, rate


def _cut_off(path: Path) -> bool:
    """Whether a WAV is shorter than it says, which libsndfile passes over; the largest size stands for one not known."""
    with path.open("rb") as file:
        head = file.read(8)
    says = int.from_bytes(head[4:], "little")
    return head.startswith(b"RIFF") and says != 2**32 - 1 and path.stat().st_size < says + 8


def _found(path: Path) -> None:
    if not path.is_file():
        raise BatchError(f"there is no file {path.name!r} where the item says: put it there, or leave the item out.")


def _corrupt(path: Path) -> BatchError:
    return BatchError(f"{path.name!r} is corrupt: it cannot be read to its end, replace it or leave the item out.")


def _size(frame: np.ndarray) -> str:
    return f"{frame.shape[1]} x {frame.shape[0]}"
