"""Items in a file: JSON lines that a user writes for an own data set, with media beside it.

    {"id": "q1", "task": "colours", "choices": ["red", "blue"], "answer": "red",
     "parts": [{"type": "image", "path": "media/q1.png"}, {"type": "text", "text": "What colour is it?"}]}

One item a line (broken here for the eye). Parts stand in the order in which the model reads them; sounds are {"type": "audio",
"path": ...}, mono at 16 kHz; videos are {"type": "video", "frames": [pictures]} or {"type": "video", "path": a moving GIF, PNG or
WebP}. Paths are relative to the file and stay within its folder.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.item_media import read_audio, read_frames, read_image, read_video, write_audio, write_image, write_whole
from morphoquant.data.items import Item
from morphoquant.data.sample import Part, Sample

FILE = "items.jsonl"
_FIELDS = ("id", "task", "parts", "choices", "answer")
_PART_FIELDS = {"text": ("text",), "image": ("path",), "audio": ("path",), "video": ("path", "frames")}


@dataclass(frozen=True)
class Refused:
    """A line that holds no usable item.

    Attributes:
        line: counted from 1.
        id: of the item, absent where the line has none.
        reason: one sentence.
    """

    line: int
    id: str | None
    reason: str


def read_items(path: Path) -> tuple[list[Item], list[Refused]]:
    """The items of a file; a line that cannot be used takes none of the others with it. Empty lines are passed over.

    Args:
        path: of the JSON lines, in UTF-8.

    Raises:
        BatchError: the file cannot be read, or no line of it can be used.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BatchError(f"the item file {str(path)!r} cannot be read ({error.strerror}): give a file of JSON lines.") from error
    items: dict[str, Item] = {}
    refused = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        name = None
        try:
            fields = _fields(line)
            name = _words(fields, "id")
            if name in items:
                raise BatchError(f"the id {name!r} stands on an earlier line: give each item one of its own.")
            items[name] = _item(fields, path.parent)
        except BatchError as error:
            refused.append(Refused(number, name, str(error)))
    if not items:
        first = f" the first of {len(refused)} refused lines says: {refused[0].reason}" if refused else " it is empty."
        raise BatchError(f"the item file {str(path)!r} holds no item that can be used:{first}")
    return list(items.values()), refused


def write_items(items: Sequence[Item], folder: Path) -> Path:
    """Writes items and their media, each file whole or not at all and the list last: PNG, 16-bit FLAC, PNG frames.

    Args:
        items: with different identifiers.
        folder: made if need be; files of the same names are replaced.

    Returns:
        Path of the file that `read_items` reads.

    Raises:
        BatchError: two items have one identifier.
    """
    if len({item.id for item in items}) < len(items):
        raise BatchError("two of the items to write have the same id: give each item one of its own.")
    lines = []
    for number, item in enumerate(items):
        parts = [_written(part, folder, f"media/{number:05d}-{place}") for place, part in enumerate(item.sample.parts)]
        fields = {"id": item.id, "task": item.task, "parts": parts, "choices": item.choices, "answer": item.sample.answer}
        lines.append(json.dumps(fields, ensure_ascii=False) + "\n")
    write_whole(folder / FILE, "".join(lines).encode())
    return folder / FILE


def _fields(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BatchError("the line is not JSON in UTF-8: write one whole object a line.") from error
    if not isinstance(fields, dict):
        raise BatchError(f"the line is a JSON {type(fields).__name__}: write an object with the fields {', '.join(_FIELDS)}.")
    return fields


def _item(fields: dict[str, Any], folder: Path) -> Item:
    name = fields["id"]
    if unknown := [field for field in fields if field not in _FIELDS]:
        raise BatchError(f"item {name!r} has the unknown field {unknown[0]!r}: allowed are {', '.join(_FIELDS)}.")
    task, answer = _words(fields, "task"), _words(fields, "answer")
    choices = fields.get("choices")
    if not isinstance(choices, list):
        raise BatchError(f'item {name!r} has no list of choices: write "choices": [...] with two answers or more.')
    given = fields.get("parts")
    if not isinstance(given, list) or not given:
        raise BatchError(f'item {name!r} has no parts: write "parts": [...] with at least one text, image, audio or video.')
    parts = tuple(_part(part, name, folder) for part in given)
    return Item(Sample(name, task, parts, answer), task, tuple(choices))


def _words(fields: dict[str, Any], field: str) -> str:
    found = fields.get(field)
    if not isinstance(found, str) or not found.strip():
        whose = f"item {fields['id']!r}" if field != "id" else "the line"
        raise BatchError(f'{whose} has no {field}: write "{field}" with words that are not empty.')
    return found


def _part(part: Any, name: str, folder: Path) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in _PART_FIELDS:
        raise BatchError(f"item {name!r} has a part of type {kind!r}: allowed are {', '.join(_PART_FIELDS)}.")
    given = [field for field in part if field != "type"]
    if len(given) != 1 or given[0] not in _PART_FIELDS[kind]:
        wanted = " or ".join(map(repr, _PART_FIELDS[kind]))
        raise BatchError(
            f"the {kind} part of item {name!r} has the fields {given}: besides 'type' it must have {wanted}, one only."
        )
    value = part[given[0]]
    if given[0] == "frames":
        if not isinstance(value, list) or not value:
            raise BatchError(f"the video part of item {name!r} has no frames: list the paths of its pictures.")
        return Part(Modality.VIDEO, read_frames([_inside(folder, one, name) for one in value]))
    if kind == "text":
        return Part(Modality.TEXT, value)
    return Part(Modality(kind), _READ[kind](_inside(folder, value, name)))


_READ = {"image": read_image, "audio": read_audio, "video": read_video}


def _inside(folder: Path, path: Any, name: str) -> Path:
    if not isinstance(path, str) or not path or "\0" in path:
        raise BatchError(f"item {name!r} has the path {path!r}: write the name of a file, relative to the item file.")
    root = folder.resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root):
        raise BatchError(
            f"item {name!r} has the path {path!r}, which leads out of the item file's folder: put the file inside it."
        )
    return found


def _written(part: Part, folder: Path, stem: str) -> dict[str, Any]:
    if part.modality is Modality.TEXT:
        return {"type": "text", "text": part.value}
    if part.modality is Modality.VIDEO:
        names = [f"{stem}/{frame:03d}.png" for frame in range(len(part.value))]
        for frame, name in zip(part.value, names, strict=True):
            write_image(folder / name, frame)
        return {"type": "video", "frames": names}
    if part.modality is Modality.IMAGE:
        write_image(folder / f"{stem}.png", part.value)
        return {"type": "image", "path": f"{stem}.png"}
    write_audio(folder / f"{stem}.flac", part.value)
    return {"type": "audio", "path": f"{stem}.flac"}
