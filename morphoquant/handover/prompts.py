"""What lmms-eval asks, as a sample: from its chat messages, or from a text and the media that belong to it."""

from collections.abc import Iterable, Sequence
from typing import Any

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Part, Sample
from morphoquant.handover.media import part_of

_MARK = "<image>"  # where a task's text says that a picture stands


def from_messages(name: str, messages: Sequence[Any], frames: int) -> Sample:
    """A sample of lmms-eval's ChatMessages: their texts and media in the order in which they stand.

    A system message becomes the beginning of the user's turn.

    Args:
        name: of the item.
        messages: with a role and content.
        frames: that a video file is read as, at most.

    Raises:
        BatchError: there is more than the user's one turn, or a medium cannot be read.
    """
    roles = [message.role for message in messages]
    if roles not in (["user"], ["system", "user"]):
        raise BatchError(f"item {name!r} has the turns {', '.join(roles) or '(none)'}: one turn of the user is answered here.")
    parts: list[Part] = []
    for content in (content for message in messages for content in message.content):
        if content.type == "text":
            parts += _text(content.text)
        else:
            clip = [getattr(content, edge, None) for edge in ("start_time", "end_time")]
            cut = content.type == "video" and isinstance(content.url, str) and clip != [None, None]
            medium = {"path": content.url, "video_start": clip[0], "video_end": clip[1]} if cut else content.url
            parts.append(part_of(medium, frames, content.type))
    return Sample(name, "lmms-eval", tuple(parts))


def from_text(name: str, text: str, media: Iterable[Any] | None, frames: int) -> Sample:
    """A sample of a text and its media: pictures where the text marks their places, else all media before the text.

    Raises:
        BatchError: a medium cannot be read.
    """
    parts = [part_of(medium, frames) for medium in media or ()]
    pieces = text.split(_MARK)
    if parts and len(pieces) == len(parts) + 1 and all(part.modality is Modality.IMAGE for part in parts):
        placed = [found for piece, part in zip(pieces, parts, strict=False) for found in (*_text(piece), part)]
        return Sample(name, "lmms-eval", (*placed, *_text(pieces[-1])))
    return Sample(name, "lmms-eval", (*parts, *_text(text)))


def _text(text: str) -> list[Part]:
    return [Part(Modality.TEXT, text)] if text.strip() else []
