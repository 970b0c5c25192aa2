"""One medium of a user's own data: what it is by the ending of its name, and its part of a sample."""

from pathlib import Path

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.clips import read_clip
from morphoquant.data.item_media import read_image, read_sound
from morphoquant.data.sample import Part

FRAMES = 16  # of a video, at most, unless said otherwise

ENDINGS: dict[Modality, frozenset[str]] = {
    Modality.TEXT: frozenset({".txt", ".md"}),
    Modality.IMAGE: frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}),
    Modality.AUDIO: frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"}),
    Modality.VIDEO: frozenset({".gif", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"}),
}


def modality_of(path: Path) -> Modality | None:
    """What a file is by the ending of its name, absent for any other."""
    return next((modality for modality, endings in ENDINGS.items() if path.suffix.lower() in endings), None)


def read_medium(modality: Modality, path: Path, frames: int = FRAMES) -> Part:
    """A picture, sound or video as a part: upright, mono at 16 kHz, frames evenly spread.

    Args:
        modality: what the file is to be read as.
        path: of the file.
        frames: of a video, at most.

    Raises:
        BatchError: it is missing, corrupt or of a kind that is not read.
        MissingExtraError: it is a video for which PyAV is needed, and that is not installed.
    """
    if modality is Modality.IMAGE:
        return Part(modality, read_image(path))
    if modality is Modality.AUDIO:
        return Part(modality, read_sound(path))
    return Part(Modality.VIDEO, read_clip(path, frames))


def inside(root: Path, name: object, whose: str) -> Path:
    """The file that a relative path names below `root`; an absolute path is taken as it is.

    Args:
        root: the folder that relative paths start from and must stay in, links followed.
        name: as the user wrote it.
        whose: "the image", for the error.

    Raises:
        BatchError: it is no path of a file on this machine, or leads out of the folder.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise BatchError(f"{whose} has the path {name!r:.60}: write the name of a file, relative to the file of messages.")
    scheme = name.partition(":")[0].lower()
    if scheme in ("http", "https", "data", "file", "s3"):
        raise BatchError(f"{whose} is at {name!r:.60}: fetch it first and write the path of the file, nothing is fetched here.")
    folder = root.resolve()
    if Path(name).is_absolute():
        return Path(name)
    found = (folder / name).resolve()
    if not found.is_relative_to(folder):
        raise BatchError(
            f"{whose} has the path {name!r:.60}, which leads out of the folder of the messages: put the file inside it, or write "
            "its absolute path."
        )
    return found
