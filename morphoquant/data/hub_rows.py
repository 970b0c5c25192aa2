"""Rows of a data set of the Hugging Face hub, through the datasets package; media are decoded here, as those of files are.

    hf:NAME[:CONFIG[:SPLIT]]

A row with "messages" is a talk as in a file of chat messages. Any other is a user turn: its pictures, sounds and videos in the
order of the columns, then its texts (columns called text, question, prompt, instruction, caption or content); a text called
answer is the answer. Rows are streamed, so that nothing is fetched but what is read, and drawn among the first 1,000.
"""

import tempfile
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from morphoquant.core.errors import BatchError, MissingExtraError
from morphoquant.core.modality import Modality
from morphoquant.data.chat_file import talk
from morphoquant.data.own_media import read_medium
from morphoquant.data.sample import Part, Sample

PREFIX = "hf:"
BUFFER = 1000  # rows from the beginning among which some are drawn
_TEXTS = ("text", "question", "prompt", "instruction", "caption", "content")
_MEDIA = {"Image": Modality.IMAGE, "Audio": Modality.AUDIO, "Video": Modality.VIDEO}


def stream(name: str, count: int, seed: int) -> tuple[dict[str, Modality], list[tuple[int, dict[str, Any]]]]:
    """(modality of each column of media, rows with their media as bytes, each after its number from 1).

    Args:
        name: "hf:NAME[:CONFIG[:SPLIT]]"; without a split, "train" or else the first. NAME may be a local folder.
        count: of rows, at most.
        seed: of the order of the rows. Up to 1,000, fewer rows are the beginning of more.

    Raises:
        MissingExtraError: datasets is not installed.
        BatchError: there is no such data set, or the hub cannot be reached.
    """
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingExtraError("datasets", "hf") from error
    path, config, split = (*name.removeprefix(PREFIX).split(":", 2), "", "")[:3]
    try:
        found = datasets.load_dataset(path, config or None, streaming=True)
        split = split or ("train" if "train" in found else next(iter(found)))
        if split not in found:
            raise BatchError(f"the data set {path!r} has no split {split!r}: it has {', '.join(found)}.")
        rows = found[split].decode(False)
        pool = list(islice(rows, max(BUFFER, count)))
    except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise BatchError(
            f"the data set {path!r} cannot be read ({said}): check its name and the connection to the hub, or give a file of "
            "chat messages or a folder of media."
        ) from error
    features = rows.features or {}
    media = {column: _MEDIA[kind] for column, one in features.items() if (kind := type(one).__name__) in _MEDIA}
    # Drawn here and not by the package's own shuffle, so that another version of it draws the same rows.
    return media, [(place + 1, pool[place]) for place in np.random.default_rng(seed).permutation(len(pool))[:count].tolist()]


def row_sample(row: Mapping[str, Any], media: Mapping[str, Modality], name: str, frames: int) -> Sample:
    """The sample of a row.

    Args:
        row: its media as {"bytes", "path"}.
        media: modality of each column of media.
        name: identifier of the sample.
        frames: of a video, at most.

    Raises:
        BatchError: nothing in it can be used, or a medium is corrupt.
        MissingExtraError: a video needs PyAV, which is not installed.
    """
    read = _reader(frames)
    if row.get("messages") is not None:
        return talk(row, name, read)
    shown = [read(modality, row[column], f"the column {column!r}") for column, modality in media.items() if row.get(column)]
    told = [row[column] for column in _TEXTS if isinstance(row.get(column), str) and row[column].strip()]
    parts = (*shown, *(Part(Modality.TEXT, words) for words in told))
    if not parts:
        raise BatchError(
            f"the row has none of the columns that are read: messages, media, {', '.join(_TEXTS)}; it has {', '.join(row)}."
        )
    answer = row.get("answer")
    return Sample(name, "row", parts, answer if isinstance(answer, str) and answer.strip() else None)


def _reader(frames: int) -> Callable[[Modality, Any, str], Part]:
    """Reads media by their bytes, as the datasets package hands them out undecoded."""

    def read(modality: Modality, value: Any, whose: str) -> Part:
        content = value.get("bytes") if isinstance(value, Mapping) else None
        path = Path(str(value.get("path") or "")) if isinstance(value, Mapping) else Path()
        if content is None and path.is_file():
            return read_medium(modality, path, frames)
        if not isinstance(content, bytes):
            raise BatchError(f"{whose} holds no bytes of a medium: choose a data set that stores its media in itself.")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"medium{path.suffix}"
            file.write_bytes(content)
            return read_medium(modality, file, frames)

    return read
