"""A folder of pictures, sounds, videos and texts as samples: a file each; files that differ in nothing but the ending are one."""

from itertools import groupby
from pathlib import Path

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.data.own_media import ENDINGS, FRAMES, modality_of, read_medium
from morphoquant.data.sample import Part, Sample

PASSAGE = 4000  # characters of a text that stands alone; longer ones are cut at the ends of lines


def files_of(folder: Path) -> tuple[list[tuple[Path, ...]], list[str]]:
    """Files that belong together, by name, and a sentence for each that is passed over. Hidden files are not looked at.

    Args:
        folder: searched to any depth; links may not lead out of it.

    Raises:
        BatchError: the folder cannot be read.
    """
    root = folder.resolve()
    try:
        found = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise BatchError(f"the folder {str(folder)!r} cannot be read ({error.strerror}): give one that can.") from error
    used, refused = [], []
    for path in found:
        name = path.relative_to(folder)
        if any(part.startswith(".") for part in name.parts):
            continue
        if modality_of(path) is None:
            refused.append(f"{name}: it is left out; files that end with {_endings()} are read.")
        elif not path.resolve().is_relative_to(root):
            refused.append(f"{name}: it is a link that leads out of the folder: put the file itself there.")
        else:
            used.append(path)
    together = groupby(sorted(used, key=lambda path: (str(path.with_suffix("")), path.suffix)), lambda path: path.with_suffix(""))
    return [tuple(paths) for _, paths in together], refused


def read_files(paths: tuple[Path, ...], folder: Path, frames: int = FRAMES) -> list[Sample]:
    """The sample of files that belong together, media before texts; a long text alone is cut into as many as it takes.

    Raises:
        BatchError: one of them is corrupt, or a text is empty or not UTF-8.
        MissingExtraError: a video needs PyAV, which is not installed.
    """
    name = paths[0].relative_to(folder).as_posix() if len(paths) == 1 else paths[0].with_suffix("").relative_to(folder).as_posix()
    order = [Modality.IMAGE, Modality.AUDIO, Modality.VIDEO, Modality.TEXT]
    found = sorted(((modality_of(path), path) for path in paths), key=lambda pair: order.index(pair[0]))
    if {modality for modality, _ in found} == {Modality.TEXT}:
        passages = [passage for _, path in found for passage in _passages(_words(path))]
        numbered = [f"{name}#{number}" for number in range(1, len(passages) + 1)] if len(passages) > 1 else [name]
        return [Sample(one, "text", (Part(Modality.TEXT, words),)) for one, words in zip(numbered, passages, strict=True)]
    parts = [
        Part(modality, _words(path)) if modality is Modality.TEXT else read_medium(modality, path, frames)
        for modality, path in found
    ]
    kinds = {part.modality for part in parts}
    return [Sample(name, "+".join(str(modality) for modality in CONTENT if modality in kinds), tuple(parts))]


def _words(path: Path) -> str:
    try:
        words = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise BatchError(f"the text {path.name!r} is not UTF-8: save it so, or leave it out.") from error
    except OSError as error:
        raise BatchError(f"the text {path.name!r} cannot be read ({error.strerror}): leave it out.") from error
    if not words:
        raise BatchError(f"the text {path.name!r} is empty: write something into it, or leave it out.")
    return words


def _passages(words: str) -> list[str]:
    """Whole lines together as long as they fit into a passage; a longer line is cut."""
    found = [""]
    for line in words.splitlines(keepends=True):
        for start in range(0, len(line), PASSAGE):
            piece = line[start : start + PASSAGE]
            if len(found[-1]) + len(piece) > PASSAGE:
                found.append("")
            found[-1] += piece
    return [passage.strip() for passage in found if passage.strip()]


def _endings() -> str:
    return ", ".join(sorted(ending for endings in ENDINGS.values() for ending in endings))
