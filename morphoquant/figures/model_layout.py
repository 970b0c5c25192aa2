"""Where the parts of a model stand in a drawing of it: towers at the left, each on its lane, then the decoder, then the head.

Lengths are in units of which a drawing is a thousand wide and a row of linears one high; y grows downwards. Blocks get what
width is left, so that eighty of them fit as well as four.
"""

import re
from dataclasses import dataclass

import pandas as pd

from morphoquant.core.layers import Component

WIDTH = 1000.0
LONGEST = 17  # letters of a row's name
_BOX = 96.0  # a part without blocks
_GAP = 48.0
_WIDEST_BLOCK = 34.0
_ABOVE, _BELOW = 1.3, 1.2  # rows for a part's title and for its block numbers
_DECODER = (str(Component.LANGUAGE), str(Component.HEAD))
_TOWERS = (str(Component.VISION), str(Component.AUDIO))
_WORDS = {str(Component.AUDIO): r"audio|speech|sound", str(Component.VISION): r"vision|visual|image|video"}


@dataclass(frozen=True)
class Part:
    """A container of blocks, or linears outside of blocks.

    Attributes:
        name: as in the frame.
        component: part of the model.
        title: what stands above it.
        rows: linears of a block, from top to bottom.
        blocks: numbers of its blocks, empty where it has none.
        left: x of its left edge.
        top: y of its upper edge.
        cell: width of a block, or of the whole part where it has none.
    """

    name: str
    component: str
    title: str
    rows: tuple[str, ...]
    blocks: tuple[int, ...]
    left: float
    top: float
    cell: float

    @property
    def gutter(self) -> float:
        """Width of the names of its rows, left of its blocks."""
        return 16 + 8.5 * min(LONGEST, max(len(row_name(row)) for row in self.rows)) if self.blocks else 0.0

    @property
    def right(self) -> float:
        """x of its right edge."""
        return self.left + self.cell * max(1, len(self.blocks))

    @property
    def middle(self) -> float:
        """y of its middle."""
        return self.top + len(self.rows) / 2


@dataclass(frozen=True)
class Layout:
    """A drawing's parts, the lines between them, each a list of (x, y), and its height in rows."""

    parts: tuple[Part, ...]
    links: tuple[tuple[tuple[float, float], ...], ...]
    height: float

    @property
    def left(self) -> float:
        """x where the drawing begins, names of rows included."""
        return min(part.left - part.gutter for part in self.parts)

    @property
    def right(self) -> float:
        """x where it ends; a title may be longer than its part."""
        return max(max(part.right, part.left + _BOX) for part in self.parts) + 14


def row_name(row: str) -> str:
    """What a row is called: the last name of its path, with the one before it where the last is a number's."""
    names = row.split(".")
    return ".".join(names[-2:]) if names[-1] in ("*", "0", "1", "2") and len(names) > 1 else names[-1]


def lay_parts(frame: pd.DataFrame) -> Layout:
    """Places the parts of a model.

    Args:
        frame: component, part, row, block and order of its linears.
    """
    bare = _bare(frame)
    lanes = _lanes([part for part in bare if part.component not in _DECODER])
    decoder = [part for part in bare if part.component in _DECODER]
    cell = _cell(lanes, decoder)
    placed: list[Part] = []
    ends: list[tuple[float, float]] = []
    links: list[tuple[tuple[float, float], ...]] = []
    top, reach = 0.0, 0.0
    for tower, connectors in lanes:
        rows = max([len(part.rows) for part in tower] + [_stacked(connectors)])
        chain, x = _row(tower, 0.0, top, rows, cell)
        stack = _stack(connectors, x + (_GAP if tower else 0.0), top, rows)
        links += _chained(chain)
        links += [_elbow((chain[-1].right, chain[-1].middle), (part.left, part.middle)) for part in stack if chain]
        ends += [(part.right, part.middle) for part in (stack or chain[-1:])]
        placed += [*chain, *stack]
        reach = max([reach] + [part.right for part in (*chain, *stack)])
        top += rows + _ABOVE + _BELOW
    if decoder:
        rows = max([len(part.rows) for part in decoder])
        chain, _ = _row(decoder, reach + _GAP if lanes else 0.0, max(0.0, (top - rows - _ABOVE - _BELOW) / 2), rows, cell)
        links += _chained(chain)
        entry = (chain[0].left - chain[0].gutter, chain[0].middle)
        links += [_elbow(end, entry) for end in ends]
        placed += chain
    return Layout(tuple(placed), tuple(links), max(part.top + len(part.rows) for part in placed) + _BELOW)


def _bare(frame: pd.DataFrame) -> list[Part]:
    """The parts in the order of the model, not placed yet."""
    found = []
    numbered = frame[frame["block"].notna()].groupby("component")["part"].nunique()
    for name, rows in frame.groupby("part", sort=False):
        component = str(rows["component"].iat[0])
        blocks = rows["block"].dropna().astype(int)
        span = tuple(range(int(blocks.min()), int(blocks.max()) + 1)) if len(blocks) else ()
        title = _title(str(name), component, len(span), int(numbered.get(component, 0)))
        kinds = tuple(dict.fromkeys(rows.sort_values("order")["row"]))
        found.append((rows["order"].min(), Part(str(name), component, title, kinds, span, 0.0, 0.0, _BOX)))
    return [part for _, part in sorted(found, key=lambda one: one[0])]


def _title(name: str, component: str, blocks: int, containers: int) -> str:
    last = name.rpartition(".")[2]
    if not blocks:
        return last if component not in _TOWERS else name
    plain = component if containers < 2 else f"{component} {last}"
    return f"{plain}: {blocks} block{'s' if blocks > 1 else ''}"


def _lanes(parts: list[Part]) -> list[tuple[list[Part], list[Part]]]:
    """(tower, its connectors) of each tower; a connector goes by its name, else to the tower that ran last before it."""
    lanes: dict[str, tuple[list[Part], list[Part]]] = {}
    for part in parts:
        if part.component in _TOWERS:
            lanes.setdefault(part.component, ([], []))[0].append(part)
    ran = ""
    for part in parts:
        if part.component in _TOWERS:
            ran = part.component
            continue
        named = next((tower for tower, words in _WORDS.items() if tower in lanes and re.search(words, part.name)), None)
        lanes.setdefault(named or ran, ([], []))[1].append(part)
    return list(lanes.values())


def _cell(lanes, decoder: list[Part]) -> float:
    """Width of a block: what the widest lane and the decoder leave of the drawing."""
    fixed = [_fixed(tower) + ((_GAP if tower else 0.0) + _BOX if connectors else 0.0) for tower, connectors in lanes]
    blocks = [sum(len(part.blocks) for part in tower) for tower, _ in lanes]
    sizes = list(zip(fixed, blocks, strict=True)) or [(0.0, 0)]
    own = _fixed(decoder) + (_GAP if lanes else 0.0)
    count = sum(len(part.blocks) for part in decoder)
    return max(1.0, min([_WIDEST_BLOCK] + [(WIDTH - own - size) / (count + more) for size, more in sizes if count + more]))


def _fixed(parts: list[Part]) -> float:
    widths = [part.gutter if part.blocks else _BOX for part in parts]
    return sum(widths) + _GAP * max(0, len(parts) - 1)


def _row(parts: list[Part], x: float, top: float, rows: int, cell: float) -> tuple[list[Part], float]:
    found = []
    for part in parts:
        x += _GAP if found else 0.0
        left = x + part.gutter
        at = top + _ABOVE + (rows - len(part.rows)) / 2
        found.append(_at(part, left, at, cell if part.blocks else _BOX))
        x = found[-1].right
    return found, x


def _stack(parts: list[Part], x: float, top: float, rows: int) -> list[Part]:
    """Parts one above the other: they stand side by side in the model."""
    found = []
    y = top + _ABOVE + (rows - _stacked(parts)) / 2
    for part in parts:
        found.append(_at(part, x, y, _BOX))
        y += len(part.rows) + _ABOVE
    return found


def _stacked(parts: list[Part]) -> float:
    return sum(len(part.rows) for part in parts) + _ABOVE * max(0, len(parts) - 1)


def _at(part: Part, left: float, top: float, cell: float) -> Part:
    return Part(part.name, part.component, part.title, part.rows, part.blocks, left, top, cell)


def _chained(parts: list[Part]) -> list[tuple[tuple[float, float], ...]]:
    starts = [(part.left - part.gutter, part.middle) for part in parts[1:]]
    return [_elbow((part.right, part.middle), start) for part, start in zip(parts, starts, strict=False)]


def _elbow(start: tuple[float, float], end: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """From one point to another by a step in the gap before the second."""
    if start[1] == end[1]:
        return (start, end)
    turn = end[0] - _GAP / 3
    return (start, (turn, start[1]), (turn, end[1]), end)
