"""Plotly's words for colours, dashes, markers and marked-up text, in matplotlib's."""

import html
import re

from matplotlib.colors import to_rgba

from morphoquant.figures.press.support import ExportError

_DASHES = {"solid": "-", "dash": (0, (4, 2)), "dot": (0, (1, 1.5)), "dashdot": (0, (4, 1.5, 1, 1.5)), "longdash": (0, (8, 3))}
_SYMBOLS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "x": "x",
    "cross": "P",
    "triangle-up": "^",
    "triangle-down": "v",
    "star": "*",
    "line-ns": "|",
    "line-ew": "_",
}
_HATCHES = {"": None, "/": "/////", "\\": "\\\\\\\\\\", "x": "xxxx", "-": "-----", "|": "|||||", "+": "++++", ".": "...."}
_STEPS = {"linear": "default", "spline": "default", "hv": "steps-post", "vh": "steps-pre", "hvh": "steps-mid"}


def rgba(colour: str, opacity: float | None = None) -> tuple[float, float, float, float]:
    """A CSS colour as four numbers from 0 to 1, its own opacity times `opacity`."""
    text = str(colour).strip()
    numbers = re.fullmatch(r"rgba?\(([^)]*)\)", text)
    if numbers:
        values = [float(part) for part in numbers[1].split(",")]
        red, green, blue = (value / 255 for value in values[:3])
        alpha = values[3] if len(values) == 4 else 1.0
    else:
        try:
            red, green, blue, alpha = to_rgba(text)
        except ValueError:
            raise ExportError(f"cannot print the colour {text!r}: write it as #rrggbb, rgb(), rgba() or a CSS name.") from None
    return red, green, blue, alpha * (1.0 if opacity is None else opacity)


def _word(table: dict, kind: str, word: str):
    if word not in table:
        raise ExportError(f"cannot print the {kind} {word!r}: allowed are {', '.join(repr(known) for known in table)}.")
    return table[word]


def dash(word: str | None):
    """Line style of a plotly dash."""
    return _word(_DASHES, "dash", word or "solid")


def steps(word: str | None) -> str:
    """Draw style of a plotly line shape."""
    return _word(_STEPS, "line shape", word or "linear")


def hatch(word: str | None):
    """Hatch of a plotly fill pattern."""
    return _word(_HATCHES, "pattern", word or "")


def symbol(word: str | None) -> tuple[str, bool]:
    """Marker of a plotly symbol, and whether it is open (not filled)."""
    name = word or "circle"
    closed = name.removesuffix("-open")
    return _word(_SYMBOLS, "symbol", closed), closed != name


def text(marked: str | None) -> str:
    """Plotly's HTML subset as matplotlib text: line breaks, raised and lowered parts; other tags are dropped."""
    result = str(marked or "").replace("$", r"\$")
    result = re.sub(r"<br\s*/?>", "\n", result)
    result = re.sub(r"<sup>(.*?)</sup>", r"$^{\\mathrm{\1}}$", result)
    result = re.sub(r"<sub>(.*?)</sub>", r"$_{\\mathrm{\1}}$", result)
    return html.unescape(re.sub(r"</?[a-z][^>]*>", "", result))
