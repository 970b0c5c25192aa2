"""Any figures side by side: a column a figure, a row a panel, the axes of a row coupled, so that zoom moves all columns at once.

The panels of a figure are stood under each other, because columns of columns cannot be read; panels of two figures share a row
where their titles agree up to a colon ("text: 3 % of channels").
"""

from collections.abc import Sequence
from textwrap import wrap

import plotly.graph_objects as go

from morphoquant.figures.marks import mark
from morphoquant.figures.panels import Panel, family_of, is_title, long_name, panels_of
from morphoquant.figures.theme import lay_out

_GAP = 0.02  # between columns
_LOWEST, _HIGHEST, _TALLEST = 110, 300, 1100  # pixels of a row, and of all rows
_WIDTH, _LETTER = 800, 8.5  # pixels that all columns have at least, and that a letter takes
_TICKS, _TITLE, _LINE = 30, 24, 17  # pixels of tick labels, of a panel's title, of a line of a figure's name


def side_by_side(figures: Sequence[tuple[str, go.Figure]]) -> go.Figure:
    """Draws `figures` as one figure, each under its name."""
    columns = [panels_of(figure) for _, figure in figures]
    heads = ["<br>".join(wrap(name, int(_WIDTH / len(figures) / _LETTER))) for name, _ in figures]
    sheet = _Sheet(columns)
    out = go.Figure()
    first = figures[0][1].layout
    out.update_layout({word: first[word] for word in ("barmode", "bargap", "bargroupgap") if first[word] is not None})
    shapes, notes = [], []
    for c, column in enumerate(columns):
        for panel in column:
            for side in (0, 1):
                out.layout[long_name(sheet.axis(c, panel.row, side))] = sheet.described(c, panel, side)
            head = f"<b>{heads[c]}</b>" if panel.row == column[0].row else ""
            notes += _written(sheet, c, panel, "<br>".join(line for line in (head, panel.title) if line))
    _add_traces(out, columns, sheet)
    for c, (_, figure) in enumerate(figures):
        own = _marks(figure, columns[c], sheet, c)
        shapes, notes = shapes + own[0], notes + own[1]
    mark(out, shapes, notes)
    legend = any(trace.showlegend is not False and trace.name for trace in out.data) and first.showlegend is not False
    lay_out(out, legend=legend)
    above = (26 if legend else 0) + _LINE * (1 + max(head.count("<br>") for head in heads)) + (_TITLE if sheet.titled else 0)
    below = 110 if any(panel.layout(0).tickangle for panel in columns[0]) else 60
    return out.update_layout(height=above + sheet.height + below, margin=dict(t=above, b=below, l=76))


class _Sheet:
    """Where each panel stands, and which axes move together.

    Args:
        columns: the panels of each figure.
    """

    def __init__(self, columns: list[list[Panel]]):
        self.columns = columns
        self.rows = _merged([[panel.row for panel in column] for column in columns])
        self.titled = any(panel.title for column in columns for panel in column)
        self._family_of = [_families(columns, self.rows, side) for side in (0, 1)]
        # The one axis of each family that all others of it match.
        self._leader: dict[tuple[int, str], str] = {}
        self._limits: dict[tuple[int, str], list] = {}
        for c, column in enumerate(columns):
            for panel in column:
                for side in (0, 1):
                    family = self._family(panel, side)
                    self._leader.setdefault(family, self.axis(c, panel.row, side))
                    self._limits.setdefault(family, []).append(panel.layout(side).range)
        self._bands, self.height = self._stacked()

    def axis(self, c: int, row: str, side: int) -> str:
        """Short name of the x (side 0) or y (side 1) axis of column `c` and a row."""
        number = self.rows.index(row) * len(self.columns) + c + 1
        return "xy"[side] + (str(number) if number > 1 else "")

    def domain(self, c: int, row: str, side: int) -> tuple[float, float]:
        """Its part of the page."""
        if side:
            return self._bands[self.rows.index(row)]
        width = (1 - _GAP * (len(self.columns) - 1)) / len(self.columns)
        return c * (width + _GAP), c * (width + _GAP) + width

    def described(self, c: int, panel: Panel, side: int) -> dict:
        """The layout of an axis: as in its own figure, but for its place, its company and what its neighbours say already."""
        own = panel.layout(side).to_plotly_json()
        for word in ("domain", "anchor", "matches", "range", "title", "overlaying", "position", "showticklabels"):
            own.pop(word, None)
        family = self._family(panel, side)
        name, leader = self.axis(c, panel.row, side), self._leader[family]
        own |= dict(domain=self.domain(c, panel.row, side), anchor=self.axis(c, panel.row, 1 - side))
        if leader != name:
            own["matches"] = leader
        if limits := self._united(family):
            own["range"] = limits
        own["showticklabels"] = self._is_last(c, panel, family) if side == 0 else self._is_left(c, panel)
        if title := self._title(c, panel, side):
            letters = int((self._row if side else _WIDTH / len(self.columns)) / _LETTER)
            lines = title["text"] if "<br>" in title["text"] else "<br>".join(wrap(title["text"], letters))
            own["title"] = title | dict(text=lines, font=dict(size=13))
        if own.get("tickvals") is not None and side == 0:
            every = len(self.columns)
            own |= dict(tickvals=own["tickvals"][::every], ticktext=own["ticktext"][::every])
        return own

    def _family(self, panel: Panel, side: int) -> tuple[int, str]:
        return side, self._family_of[side][panel.row]

    def _united(self, family: tuple[int, str]) -> list[float] | None:
        """The range that holds those of all members, absent where a member leaves it to the data."""
        limits = self._limits[family]
        if any(one is None for one in limits):
            return None
        low, high = min(min(one) for one in limits), max(max(one) for one in limits)
        return [high, low] if limits[0][0] > limits[0][1] else [low, high]

    def _is_last(self, c: int, panel: Panel, family: tuple[int, str]) -> bool:
        """Whether no panel below shows the same x axis."""
        place = self.columns[c].index(panel)
        return all(self._family(below, 0) != family for below in self.columns[c][place + 1 :])

    def _is_left(self, c: int, panel: Panel) -> bool:
        return not any(other.row == panel.row for column in self.columns[:c] for other in column)

    def _title(self, c: int, panel: Panel, side: int):
        """Below the last panel of a column, and left of the middle row, or of each row where rows differ."""
        column = self.columns[c]
        said = {one.row: one.layout(side).title for one in column if one.layout(side).title.text}
        if not said:
            return None
        if side == 0:
            return list(said.values())[-1].to_plotly_json() if panel.row == self.rows[-1] else None
        if c:
            return None
        if len({title.text for title in said.values()}) > 1:
            return said[panel.row].to_plotly_json() if panel.row in said else None
        return next(iter(said.values())).to_plotly_json() if panel is column[len(column) // 2] else None

    def _stacked(self) -> tuple[list[tuple[float, float]], int]:
        """The upright part of each row from the top, and the height of all in pixels."""
        base = self.columns[0][0].figure
        tiers = len({tuple(base.layout[long_name(panel.axes[1])].domain or ()) for panel in self.columns[0]})
        wanted = ((base.layout.height or 420) - 100) / tiers
        self._row = row = max(_LOWEST, min(wanted, _HIGHEST, _TALLEST / len(self.rows)))
        upper = [(c, one) for c, column in enumerate(self.columns) for one in column if one.row != self.rows[-1]]
        apart = any(self._is_last(c, one, self._family(one, 0)) for c, one in upper)
        gap = 8 + (_TICKS if apart else 0) + (_TITLE if self.titled else 0)
        whole = len(self.rows) * row + (len(self.rows) - 1) * gap
        tops = [1 - place * (row + gap) / whole for place in range(len(self.rows))]
        return [(max(0.0, top - row / whole), top) for top in tops], int(whole)


def _merged(lists: list[list[str]]) -> list[str]:
    """All entries once, in the order of each list: a new one goes before the next one that is known."""
    found: list[str] = []
    for entries in lists:
        for place, entry in enumerate(entries):
            if entry not in found:
                after = next((found.index(later) for later in entries[place + 1 :] if later in found), len(found))
                found.insert(after, entry)
    return found


def _families(columns: list[list[Panel]], rows: list[str], side: int) -> dict[str, str]:
    """The rows whose axes move together, in any figure, by the name of one of them: columns always share those of a row."""
    found = {row: row for row in rows}
    for column in columns:
        first: dict[str, str] = {}
        for panel in column:
            into = found[first.setdefault(family_of(panel, side), panel.row)]
            gone = found[panel.row]
            found = {row: into if family == gone else family for row, family in found.items()}
    return found


def _add_traces(out: go.Figure, columns: list[list[Panel]], sheet: _Sheet) -> None:
    listed: set[str] = set()
    order = _merged([[_word(trace) for trace in column[0].figure.data] for column in columns])
    for c, column in enumerate(columns):
        place = {panel.axes: panel.row for panel in column}
        for trace in column[0].figure.data:
            row = place[trace.xaxis or "x", trace.yaxis or "y"]
            name = _word(trace)
            copy = type(trace)(trace).update(name=name, xaxis=sheet.axis(c, row, 0), yaxis=sheet.axis(c, row, 1))
            if copy.type != "heatmap" and copy.showlegend is not False:
                copy.update(legendgroup=name, showlegend=name not in listed, legendrank=order.index(name))
                listed.add(name)
            out.add_trace(copy)


def _word(trace) -> str:
    """Name of a trace in the legend that all columns share: without what it says of its own run, after a colon."""
    return (trace.name or "").partition(":")[0]


def _marks(figure: go.Figure, column: list[Panel], sheet: _Sheet, c: int) -> tuple[list[dict], list[dict]]:
    """Shapes and notes of one figure, at the axes that stand for theirs."""
    new = {panel.axes[side]: sheet.axis(c, panel.row, side) for panel in column for side in (0, 1)}
    notes = [note for note in figure.layout.annotations if not any(is_title(note, figure, panel.axes) for panel in column)]
    width = _WIDTH / len(sheet.columns)
    shapes, shown = [], []
    for one in (*figure.layout.shapes, *notes):
        words = one.to_plotly_json()
        for ref in ("xref", "yref"):
            axis, _, domain = str(words.get(ref) or ref[0]).partition(" ")
            words[ref] = f"{new[axis]} {domain}".strip()
        if "text" not in words:
            shapes.append(words)
        elif str(one.yref).endswith(" domain") and one.xanchor == "left":
            # The name of a stretch of the axis: upright where the stretch is short, and none where it has no room for that.
            room = _room(one, notes, figure) * width
            if room > _LETTER:
                shown.append(words | (dict(textangle=-90) if room < _LETTER * len(words["text"]) else {}))
        else:
            # Other notes of narrow columns stand upright, or neighbours would touch.
            shown.append(words | (dict(textangle=-90) if len(sheet.columns) > 2 else {}))
    return shapes, shown


def _room(note, notes: list, figure: go.Figure) -> float:
    """The share of its axis from a note to the next one."""
    own = [trace for trace in figure.data if (trace.xaxis or "x") == note.xref and trace.x is not None]
    values = [float(x) for trace in own for x in trace.x if isinstance(x, (int, float)) or hasattr(x, "dtype")]
    end = max(values, default=1.0)
    later = [float(one.x) for one in notes if one.xref == note.xref and one.yref == note.yref and one.x > note.x]
    return (min(later, default=end) - float(note.x)) / (end or 1.0)


def _written(sheet: _Sheet, c: int, panel: Panel, text: str) -> list[dict]:
    (left, right), (_, top) = (sheet.domain(c, panel.row, side) for side in (0, 1))
    where = dict(x=(left + right) / 2, y=top, xref="paper", yref="paper", xanchor="center", yanchor="bottom")
    return [dict(text=text, showarrow=False, **where)] if text else []
