"""Chat messages in JSON lines: a user's own talks, with media beside the file.

    {"id": "k1", "messages": [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": [{"type": "image", "image": "media/k1.png"}, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": "A kettle."}]}

One talk a line (broken here for the eye); "id" is optional. Content is a text or a list of parts in the order in which the
model reads them. A medium stands in its part under "path", "url" or the name of its type; a video may also be a list of pictures.
A part of a type alone, such as {"type": "image"}, takes the next of the line's "images", "audios" or "videos". Relative paths
stay within the folder of the file; a path outside it must be absolute.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.data.item_media import read_frames
from morphoquant.data.own_media import FRAMES, inside, read_medium
from morphoquant.data.sample import ROLES, Part, Sample

KIND = "chat"
_BESIDE = {Modality.IMAGE: "images", Modality.AUDIO: "audios", Modality.VIDEO: "videos"}


def lines_of(path: Path) -> list[tuple[int, bytes]]:
    """(number counted from 1, content) of the lines that are not empty.

    Raises:
        BatchError: the file cannot be read.
    """
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise BatchError(f"the file {str(path)!r} cannot be read ({error.strerror}): give a file of JSON lines.") from error
    return [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]


def read_talk(line: bytes, name: str, folder: Path, frames: int = FRAMES) -> Sample:
    """The sample of one line; the assistant's last turn, where it is text alone, is its answer.

    Args:
        line: a JSON object in UTF-8.
        name: identifier for a line that has none.
        folder: of the file.
        frames: of a video, at most.

    Raises:
        BatchError: the line or one of its media cannot be used; one sentence.
        MissingExtraError: a video needs PyAV, which is not installed.
    """
    try:
        fields = json.loads(line.decode("utf-8"))
        json.dumps(fields, ensure_ascii=False).encode()  # an escape may stand for half a character, which no text can hold
    except (ValueError, RecursionError) as error:
        raise BatchError("the line is not JSON in UTF-8: write one whole object a line.") from error
    if not isinstance(fields, dict):
        raise BatchError(f'the line is a JSON {type(fields).__name__}: write an object with "messages": [...].')
    given = fields.get("id", name)
    if not isinstance(given, str | int) or not str(given).strip():
        raise BatchError('the line has an "id" that is no name: write a text or a number, or leave it out.')
    return talk(fields, str(given), _reader(folder, frames))


def talk(fields: Mapping[str, Any], name: str, read: Callable[[Modality, Any, str], Part]) -> Sample:
    """The sample of an object with "messages".

    Args:
        fields: the object.
        name: identifier of the sample.
        read: (modality, what stands for the medium, words for it in errors) -> its part.

    Raises:
        BatchError: a message or one of its media cannot be used; one sentence.
        MissingExtraError: a video needs PyAV, which is not installed.
    """
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BatchError('the line has no messages: write "messages": [{"role": ..., "content": ...}].')
    beside = {modality: _beside(fields, field) for modality, field in _BESIDE.items()}
    parts: list[Part] = []
    roles: list[str] = []
    for number, message in enumerate(messages, 1):
        role, content = _message(message, number)
        made = [_part(one, number, read, beside) for one in content]
        parts += made
        roles += [role] * len(made)
    said = _last_turn(parts, roles)
    answer = "\n".join(part.value for part in said) if said else None
    del parts[len(parts) - len(said) :], roles[len(roles) - len(said) :]
    if "user" not in roles:
        raise BatchError('the line has no message with the role "user": a talk needs one.')
    return Sample(name, KIND, tuple(parts), answer, () if set(roles) == {"user"} else tuple(roles))


def _last_turn(parts: list[Part], roles: list[str]) -> list[Part]:
    """The parts of the assistant's last turn, none where it is not text alone."""
    start = len(roles)
    while start and roles[start - 1] == "assistant":
        start -= 1
    return parts[start:] if all(part.modality is Modality.TEXT for part in parts[start:]) else []


def _message(message: Any, number: int) -> tuple[str, list]:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        role = message.get("role") if isinstance(message, dict) else message
        raise BatchError(f"message {number} has the role {role!r:.40}: allowed are {', '.join(ROLES)}.")
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list) or not content:
        raise BatchError(f'message {number} has no content: write "content" with a text, or with a list of parts.')
    return message["role"], content


def _part(part: Any, number: int, read: Callable, beside: Mapping[Modality, Iterator]) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in [str(modality) for modality in CONTENT]:
        raise BatchError(f"message {number} has a part of type {kind!r:.40}: allowed are {', '.join(CONTENT)}.")
    if kind == "text":
        return Part(Modality.TEXT, part.get("text"))
    modality, whose = Modality(kind), f"the {kind} of message {number}"
    given = [part[field] for field in ("path", "url", kind) if part.get(field) is not None]
    if len(given) > 1:
        raise BatchError(f'{whose} has more than one path: write one of "path", "url" and "{kind}".')
    value = given[0] if given else next(beside[modality], None)
    if value is None:
        raise BatchError(f'{whose} has no path: write {{"type": "{kind}", "path": ...}}.')
    return read(modality, value, whose)


def _reader(folder: Path, frames: int) -> Callable[[Modality, Any, str], Part]:
    """Reads media by their paths below a folder; a list of pictures is a video."""

    def read(modality: Modality, value: Any, whose: str) -> Part:
        if modality is Modality.VIDEO and isinstance(value, list):
            if not value:
                raise BatchError(f"{whose} has no frames: list the paths of its pictures.")
            return Part(modality, read_frames([inside(folder, one, whose) for one in value]))
        return read_medium(modality, inside(folder, value, whose), frames)

    return read


def _beside(fields: Mapping[str, Any], field: str) -> Iterator:
    found = fields.get(field) or []
    if not isinstance(found, list):
        raise BatchError(f'the line has "{field}" that are no list: write "{field}": [paths].')
    return iter(found)
