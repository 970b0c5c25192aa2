"""The command that makes a figure again."""

import shlex

from morphoquant.core.modality import POSITIONS, Position
from morphoquant.core.selection import Selection
from morphoquant.takeaway.asked import Asked

PROGRAM = ("python", "-m", "morphoquant")
_FLAGS = ("layer", "component", "role", "channel", "sample", "block", "head", "measure")


def filter_words(selection: Selection) -> list[str]:
    """The words of the command line that read as `selection`; defaults are left out.

    Raises:
        ValueError: position classes that no word names (a programming error).
    """
    words = [word for name in _FLAGS if (value := getattr(selection, name)) is not None for word in (f"--{name}", str(value))]
    if selection.modalities:
        words += ["--modality", *map(str, selection.modalities)]
    if selection.subjects:
        words += ["--subject", *selection.subjects]
    if set(selection.positions) == set(POSITIONS):
        words.append("--with-first")
    elif selection.positions != (Position.REST,):
        raise ValueError(f"no word of the command line names the positions {selection.positions}")
    settings = selection.what_if.written()
    return [*words, "--set", *(f"{name}={value}" for name, value in settings.items())] if settings else words


def export_words(asked: Asked, file: str) -> list[str]:
    """`export` and its words that write the figure to `file`."""
    runs = ["--run", *asked.runs] if asked.runs else []
    return ["export", asked.view, file, *runs, "--width", asked.width, *filter_words(asked.selection)]


def written(words: list[str]) -> str:
    """The words as one line for a shell."""
    return shlex.join([*PROGRAM, *words])
