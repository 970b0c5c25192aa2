"""Video files as frames, evenly spread over the clip."""

from pathlib import Path

import numpy as np

from morphoquant.core.errors import BatchError, MissingExtraError
from morphoquant.data.item_media import middles, read_video

_MOVING_PICTURES = frozenset({".gif", ".png", ".apng", ".webp"})


def read_clip(path: Path, count: int, start: float | None = None, end: float | None = None) -> np.ndarray:
    """Frames of a video, each from the middle of one of `count` equal parts; all of them where there are no more.

    Args:
        path: a moving GIF, PNG or WebP, or anything that PyAV decodes.
        count: of frames, at most.
        start: of the clip within the video, in seconds; absent for its beginning.
        end: likewise; absent for its end.

    Returns:
        uint8 [frames, height, width, 3].

    Raises:
        BatchError: it is missing, corrupt, or has no frame between start and end.
        MissingExtraError: PyAV is needed and not installed.
    """
    if path.suffix.lower() in _MOVING_PICTURES:
        return read_video(path, count)
    if not path.is_file():
        raise BatchError(f"there is no video {path.name!r} where it is said to be: put it there, or leave it out.")
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingExtraError("PyAV (av), which decodes videos other than moving pictures,", "video") from error
    try:
        with av.open(str(path)) as container:
            frames = _decoded(container, count, start, end)
    except (av.FFmpegError, IndexError) as error:
        raise BatchError(
            f"the video {path.name!r} is corrupt, or of a kind that cannot be decoded: convert it to MP4."
        ) from error
    if not frames:
        raise BatchError(f"the video {path.name!r} has no frame between {start or 0} and {end or 'its end'} seconds.")
    return np.stack(frames)


def _decoded(container, count: int, start: float | None, end: float | None) -> list[np.ndarray]:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    offset = float((stream.start_time or 0) * stream.time_base)
    length = stream.duration * stream.time_base if stream.duration else (container.duration or 0) / 1e6
    first, last = start or 0.0, min(end or float(length), float(length))
    spaced = bool(length) and (stream.average_rate or 0) * (last - first) > count
    if not spaced:  # few frames, or the file does not tell its length: all are looked at
        inside = [
            frame.to_ndarray(format="rgb24")
            for frame in container.decode(stream)
            if first <= (frame.time or 0.0) - offset and (end is None or (frame.time or 0.0) - offset <= end)
        ]
        return [inside[place] for place in middles(len(inside), count)] if inside else []
    found = []
    for part in range(count):
        wanted = offset + first + (part + 0.5) * (last - first) / count
        container.seek(int(wanted / stream.time_base), stream=stream)  # to the key frame before
        shown = None
        for frame in container.decode(stream):
            if shown is not None and (frame.time or 0.0) > wanted:
                break
            shown = frame
        if shown is not None:
            found.append(shown.to_ndarray(format="rgb24"))
    return found
