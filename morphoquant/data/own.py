"""A user's own data by the name that was given for it: a file of chat messages, a folder of media, a data set of the hub."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from morphoquant.core.errors import BatchError, MissingExtraError
from morphoquant.core.progress import Progress, silent
from morphoquant.data.chat_file import lines_of, read_talk
from morphoquant.data.hub_rows import PREFIX, row_sample, stream
from morphoquant.data.media_folder import files_of, read_files
from morphoquant.data.own_media import FRAMES
from morphoquant.data.sample import Sample, fingerprint


@dataclass(frozen=True)
class Source:
    """What samples are read from.

    Attributes:
        where: "line 3" or the name of a file, for sentences.
        read: gives its samples, the same every time.
    """

    where: str
    read: Callable[[], list[Sample]]


@dataclass(frozen=True)
class OwnSamples:
    """Samples that are decoded when they are asked for, so that media are never all in memory.

    Attributes:
        sources: by sample, what it is read from and its place in that.
        digests: by sample, its fingerprint.
    """

    sources: tuple[tuple[Source, int], ...]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[Sample]:
        return self[:]

    def __getitem__(self, index: slice) -> Iterator[Sample]:
        """Decodes the samples of a slice, one after the other.

        Raises:
            BatchError: one is not what it was when the run began.
        """
        for (source, place), digest in zip(self.sources[index], self.digests[index], strict=True):
            found = source.read()
            if len(found) <= place or fingerprint([found[place]]) != digest:
                raise BatchError(f"{source.where} was changed while it was read: run the same command again.")
            yield found[place]


@dataclass(frozen=True)
class OwnData:
    """Samples of a user's own data.

    Attributes:
        name: of the file or the folder, without the path to it; of the data set of the hub as it was given.
        samples: in the order of the file or of the names.
        fingerprint: sha256 in hex of all that is in them.
        refused: one sentence for each line or file that cannot be used.
    """

    name: str
    samples: OwnSamples
    fingerprint: str
    refused: tuple[str, ...]


def is_own(name: str) -> bool:
    """Whether a name is that of a file, folder or data set of the hub, rather than of one that ships with MorphoQuant."""
    return name.startswith(PREFIX) or name.endswith(".jsonl") or Path(name).expanduser().exists() or len(Path(name).parts) > 1


def read_own(
    name: str,
    count: int,
    seed: int,
    *,
    frames: int = FRAMES,
    check: Callable[[Sample], None] | None = None,
    progress: Progress = silent,
) -> OwnData:
    """Reads `count` samples, drawn by the seed, or all where there are no more; all are decoded once and dropped again.

    Args:
        name: path of a file of JSON lines or of a folder, or "hf:" and the name of a data set of the hub.
        count: of samples, at least 1. Fewer are a part of more.
        seed: 0 or more.
        frames: of a video, at most.
        check: called for each sample; what it raises as BatchError leaves the sample out.
        progress: told what is done.

    Raises:
        BatchError: there is no such file, folder or data set, the numbers are out of range, or not one sample can be used.
        MissingExtraError: the datasets package is needed and not installed.
    """
    if count < 1 or seed < 0 or frames < 1:
        raise BatchError(
            f"cannot read {count} samples of {frames} frames with seed {seed}: give 1 or more, and a seed from 0 on."
        )
    path, refused, order = Path(name).expanduser(), [], None
    if name.startswith(PREFIX):
        # As many again, so that rows which cannot be used are made up for.
        media, rows = stream(name, 2 * count, seed)
        sources = [Source(f"row {number}", _row(row, media, number, frames)) for number, row in rows]
        order = list(range(len(sources)))  # rows are in the seed's order already
    elif path.is_dir():
        groups, refused = files_of(path)
        sources = [Source(_joined(paths, path), partial(read_files, paths, path, frames)) for paths in groups]
    elif path.is_file():
        sources = [Source(f"line {number}", _line(line, path, number, frames)) for number, line in lines_of(path)]
    else:
        raise BatchError(f"there is no file or folder {name!r}: give a file of chat messages (.jsonl), or a folder of media.")
    kept: dict[tuple[int, int], str] = {}
    names: set[str] = set()
    for turn, index in enumerate(order or np.random.default_rng(seed).permutation(len(sources)).tolist()):
        if len(kept) == count:
            break
        progress("reading samples", turn, len(sources))
        try:
            for place, sample in enumerate(sources[index].read()[: count - len(kept)]):
                _fit(sample, names, check)
                kept[index, place] = fingerprint([sample])
        except (BatchError, MissingExtraError) as error:
            refused.append(f"{sources[index].where}: {error}")
    progress("reading samples", len(sources), len(sources))
    if not kept:
        first = f": {refused[0]}" if refused else ": it is empty."
        raise BatchError(f"{name!r} holds no sample that can be used{first}")
    used = sorted(kept)
    samples = OwnSamples(tuple((sources[index], place) for index, place in used), tuple(kept[one] for one in used))
    return OwnData(name if name.startswith(PREFIX) else path.resolve().name, samples, _joint(samples.digests), tuple(refused))


def _fit(sample: Sample, names: set[str], check: Callable[[Sample], None] | None) -> None:
    if sample.id in names:
        raise BatchError(f"the id {sample.id!r} stands for another sample already: give each one of its own.")
    if check is not None:
        check(sample)
    names.add(sample.id)


def _line(line: bytes, path: Path, number: int, frames: int) -> Callable[[], list[Sample]]:
    return lambda: [read_talk(line, f"{path.name}/{number}", path.parent, frames)]


def _row(row: dict, media: dict, number: int, frames: int) -> Callable[[], list[Sample]]:
    return lambda: [row_sample(row, media, f"row/{number}", frames)]


def _joined(paths: Sequence[Path], folder: Path) -> str:
    return " and ".join(path.relative_to(folder).as_posix() for path in paths)


def _joint(digests: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
