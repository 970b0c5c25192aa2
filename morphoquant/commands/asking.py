"""What the verbs that ask questions share: their words, the items they ask, and the captures that methods are fitted to."""

import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from morphoquant.commands import words
from morphoquant.core.errors import BatchError, UnknownNameError

SHORT = ("text", "image", "audio", "video", "all")
# Rows of equal shape are read together; results do not depend on how many.
BATCH = 4


@dataclass(frozen=True)
class Asked:
    """Items, the name of the set they are, and the sentences about lines of the item file that were left out."""

    items: list
    name: str
    refused: tuple[str, ...] = ()


def add_words(verb, items: int) -> None:
    """Adds the model, the items, --scope and the words of a capture."""
    verb.add_argument("name", nargs="?", metavar="MODEL", help="the same as --model")
    words.add_model_words(verb)
    verb.add_argument("--tasks", nargs="+", metavar="TASK", help="tasks to draw items of (default: all that the model can take)")
    verb.add_argument("--items", type=int, default=items, help=f"items of each task (default: {items})")
    verb.add_argument(
        "--item-file", type=Path, metavar="FILE", help="ask the items of this file of JSON lines, instead of drawing some"
    )
    verb.add_argument(
        "--scope",
        nargs="+",
        metavar="PART",
        default=["language"],
        help="parts to quantise: language vision audio connector head (default: language)",
    )
    verb.add_argument("--batch", type=int, default=BATCH, help=f"rows of equal shape that share a forward (default: {BATCH})")
    words.add_capture_words(verb)


def named(args):
    """The words, with the model in one place: it is given as the first word or with --model."""
    args.model = args.name or args.model
    return args


def make_items(args, loaded) -> Asked:
    """Reads the item file, or draws items; what the preflight drew (`args.asked`) is not drawn again.

    Raises:
        BatchError: no item can be used, or the numbers are out of range.
        UnknownNameError: there is no such task.
    """
    from morphoquant.data.item_file import read_items
    from morphoquant.data.item_tasks import ITEM_TASKS, draw_items

    if (known := getattr(args, "asked", None)) is not None:
        return known
    if args.item_file and args.tasks:
        raise BatchError("--tasks draws items and --item-file brings some: give one of the two.")
    if args.item_file:
        items, refused = read_items(args.item_file)
        name = args.item_file.name
        said = [f"line {one.line}{f' ({one.id})' if one.id else ''}: {one.reason}" for one in refused]
        return Asked(items, name, tuple(said))
    names = args.tasks or [name for name, task in ITEM_TASKS.items() if task.draw(1, 0)[0].sample.modalities <= loaded.modalities]
    args.progress("drawing items", 0, 0)
    return Asked(draw_items(names, args.items, args.seed), "+".join(args.tasks) if args.tasks else "demo-items")


def write_drawn(args) -> Path:
    """Draws items and writes them as an item file with its media; no model is asked.

    Returns:
        Path of the file.

    Raises:
        BatchError: an item file is named too, the numbers are out of range, or nothing can be written there.
        UnknownNameError: there is no such task.
    """
    from morphoquant.data.item_file import write_items
    from morphoquant.data.item_tasks import ITEM_TASKS, draw_items

    if args.item_file:
        raise BatchError("--write-items writes drawn items and --item-file brings some: give one of the two.")
    items = draw_items(args.tasks or list(ITEM_TASKS), args.items, args.seed)
    try:
        return write_items(items, args.write_items)
    except OSError as error:
        reason = error.strerror or error
        raise BatchError(f"items cannot be written to {str(args.write_items)!r} ({reason}): give another folder.") from error


def sets(names) -> list[str]:
    """Names of calibration data, of "text", "image", "audio", "video", "all", data sets, or paths of a user's own data.

    Raises:
        UnknownNameError: one of them is none.
    """
    from morphoquant.data.datasets import DATASETS
    from morphoquant.data.own import is_own

    full = [words.CALIBRATION if name == "all" else f"{words.CALIBRATION}-{name}" if name in SHORT else name for name in names]
    for name, data in zip(names, full, strict=True):
        if data not in DATASETS and not is_own(data):
            raise UnknownNameError("calibration set", name, [*SHORT, *DATASETS])
    return list(dict.fromkeys(full))


def captures(args, loaded, names, pairs) -> list:
    """A capture run for each calibration set, and gradients where methods need them; from the cache where they are there.

    Args:
        args: the words of a capture.
        loaded: the model.
        names: of the sets, as `sets` gives them.
        pairs: methods and specs that will be fitted to them.
    """
    from morphoquant.commands import workload

    found = [workload.make_capture(Namespace(**{**vars(args), "data": data}), loaded) for data in names]
    workload.make_gradients(args, loaded, found, pairs)
    return found


def refused_in(run) -> list[str]:
    """A sentence for each item that the run could not ask."""
    return [f"{row.item}: {row.reason}" for row in run.frame("refused").itertuples()] if run.has("refused") else []


def tell_refused(sentences) -> None:
    """Says which items were left out, each in a sentence on standard error.

    Raises:
        BatchError: there are some; raised after all else is stored and printed, for the exit code.
    """
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    if sentences:
        count = len(sentences)
        raise BatchError(
            f"{count} item{'s were' if count > 1 else ' was'} left out, see above; all others are answered and stored."
        )
