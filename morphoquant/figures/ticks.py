"""Ticks that can be read: at most a dozen labels on an axis of many layers."""

from collections.abc import Sequence


def thinned(labels: Sequence[str], most: int = 12) -> tuple[list[int], list[str]]:
    """Positions and labels of at most `most` evenly spaced entries, the first one included."""
    stride = max(1, -(-len(labels) // most))
    places = list(range(0, len(labels), stride))
    return places, [escaped(labels[place]) for place in places]


def escaped(text: str) -> str:
    """`text` without characters that plotly would read as markup; names come from models we have not seen."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
