"""Bar traces of one subplot: grouped, stacked or overlaid, upright or lying, with their numbers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from morphoquant.figures.press import words
from morphoquant.figures.press.scale import Scale
from morphoquant.figures.press.support import ExportError

_MANY = 14  # above more bars than these the numbers stand upright


def draw_bars(axes: Axes, traces: list, x: Scale, y: Scale, layout) -> list[Patch]:
    """Draws all bar traces of one subplot together; returns their legend handles in order."""
    mode = layout.barmode or "group"
    if mode not in ("group", "stack", "relative", "overlay"):
        raise ExportError(f"cannot print barmode {mode!r}: allowed are group, stack, relative and overlay.")
    span = 1.0 - (layout.bargap if layout.bargap is not None else 0.2)
    groups = list(dict.fromkeys(trace.offsetgroup or f"#{i}" for i, trace in enumerate(traces)))
    unit = _unit(traces, x, y) * span
    above: dict[float, float] = {}
    below: dict[float, float] = {}
    handles = []
    for i, trace in enumerate(traces):
        lying = trace.orientation == "h"
        along, across = (y, x) if lying else (x, y)
        places = along.places(trace.y if lying else trace.x)
        lengths = across.places(trace.x if lying else trace.y)
        if mode == "group":
            thick = unit / len(groups)
            places = places - unit / 2 + thick * (groups.index(trace.offsetgroup or f"#{i}") + 0.5)
            thick *= 1.0 - (layout.bargroupgap or 0.0)
        else:
            thick = unit
        if trace.width is not None:
            thick = float(np.max(trace.width))
        starts = (
            np.zeros(len(places)) if trace.base is None else np.broadcast_to(np.asarray(trace.base, float), len(places)).copy()
        )
        if mode in ("stack", "relative"):
            for j, (place, length) in enumerate(zip(places, np.nan_to_num(lengths), strict=True)):
                pile = above if length >= 0 else below
                starts[j] += pile.get(place, 0.0)
                pile[place] = pile.get(place, 0.0) + length
        numbers = 0 if sum(len(t.y if t.orientation == "h" else t.x) for t in traces) <= _MANY else 90
        handles.append(_draw(axes, trace, lying, places, lengths, starts, thick, numbers))
    return handles


def _unit(traces: list, x: Scale, y: Scale) -> float:
    """Smallest distance of two bars of the subplot, 1 on a category axis."""
    along = [(y.places(t.y), y) if t.orientation == "h" else (x.places(t.x), x) for t in traces]
    if not along or any(scale.categorical for _, scale in along):
        return 1.0
    places = np.concatenate([places for places, _ in along])
    different = np.diff(np.unique(places[np.isfinite(places)]))
    return float(different.min()) if different.size else 1.0


def _draw(axes, trace, lying, places, lengths, starts, thick, numbers) -> Patch:
    paints = trace.marker.color if trace.marker.color is not None else "#333333"
    paints = [paints] * len(places) if isinstance(paints, str) else list(paints)
    faces = [words.rgba(paint, trace.opacity if trace.opacity is not None else trace.marker.opacity) for paint in paints]
    pattern = words.hatch(trace.marker.pattern.shape)
    look = dict(color=faces, hatch=pattern, linewidth=0.0)
    if pattern:
        look["edgecolor"] = "white"
    if lying:
        axes.barh(places, lengths, height=thick, left=starts, **look)
    else:
        axes.bar(places, lengths, width=thick, bottom=starts, **look)
    if trace.text is not None:
        _number(axes, trace, lying, places, lengths, starts, numbers)
    return Patch(
        facecolor=faces[0] if faces else "#333333", hatch=pattern, edgecolor="white" if pattern else "none", linewidth=0.0
    )


def _number(axes, trace, lying, places, lengths, starts, turn) -> None:
    inside = trace.textposition in ("inside", "auto") or (trace.textposition is None)
    labels = [trace.text] * len(places) if isinstance(trace.text, str) else trace.text
    for place, length, start, label in zip(places, lengths, starts, labels, strict=True):
        if not np.isfinite(length) or not label:
            continue
        at = start + (length / 2 if inside else length)
        shift = 0 if inside else (2 if length >= 0 else -2)
        look = dict(
            textcoords="offset points", fontsize="small", rotation=0 if lying else turn, color="white" if inside else "black"
        )
        if lying:
            side = "center" if inside else ("left" if length >= 0 else "right")
            axes.annotate(words.text(label), (at, place), (shift, 0), ha=side, va="center", **look)
        else:
            side = "center" if inside else ("bottom" if length >= 0 else "top")
            axes.annotate(words.text(label), (place, at), (0, shift), ha="center", va=side, **look)
