"""Text that would not fit: long titles in two lines, crowded tick labels turned."""

from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_TURN = 35.0


def fit(paper: Figure) -> None:
    """Mends the texts of all panels of `paper`, which is laid out once to see how long they are."""
    paper.draw_without_rendering()
    for axes in paper.axes:
        _break_title(axes)
        _turn_ticks(axes)


def _break_title(axes: Axes) -> None:
    """Breaks the title of an upright axis that is longer than the axis: before its unit, else into even lines."""
    label = axes.yaxis.label
    whole = label.get_text().replace("\n", " ")
    room = axes.get_window_extent().height * 1.02
    unit = whole.find(" (")
    options = [f"{whole[:unit]}\n{whole[unit + 1 :]}"] if unit > len(whole) / 4 else []
    options += [fill(whole, len(whole) // lines + 3) for lines in (2, 3, 4)]
    while label.get_window_extent().height > room and options:
        label.set_text(options.pop(0))


def _turn_ticks(axes: Axes) -> None:
    """Turns the tick labels of the lower axis where neighbours touch, as plotly does on screen."""
    labels = [label for label in axes.get_xticklabels() if label.get_text() and label.get_visible() and not label.get_rotation()]
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    if any(left.x1 + 2 > right.x0 for left, right in zip(boxes, boxes[1:], strict=False)) and axes.get_xscale() == "linear":
        for label in labels:
            label.set(rotation=_TURN, ha="right", rotation_mode="anchor")
