"""One plotly axis on a matplotlib axis: kind, ticks, title, limits."""

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MultipleLocator, NullLocator

from morphoquant.figures.press import words
from morphoquant.figures.press.scale import Scale


def prepare(axes: Axes, x: Scale, y: Scale) -> None:
    """Sets linear or log before anything is drawn."""
    if x.log:
        axes.set_xscale("log")
    if y.log:
        axes.set_yscale("log")


def finish(axes: Axes, scale: Scale) -> None:
    """Sets title, ticks and limits of one direction after the traces are drawn."""
    side = scale.axis[0]
    axis = axes.xaxis if side == "x" else axes.yaxis
    layout = scale.layout
    getattr(axes, f"set_{side}label")(words.text(layout.title.text))
    _ticks(axis, scale)
    axis.grid(layout.showgrid if layout.showgrid is not None else True)
    if layout.showline is False:
        axes.spines["bottom" if side == "x" else "left"].set_visible(False)
    limits, limit = getattr(axes, f"get_{side}lim")(), getattr(axes, f"set_{side}lim")
    if scale.limits is not None:
        limits = scale.limits
    elif layout.rangemode == "tozero" and not scale.log:
        limits = (min(0.0, limits[0]), max(0.0, limits[1]))
    limit(limits)
    if layout.autorange == "reversed" and limits[0] < limits[1]:
        limit(limits[::-1])
    if layout.showticklabels is False:
        axis.set_tick_params(**({"labelbottom": False} if side == "x" else {"labelleft": False}))
    if side == "x" and layout.tickangle:
        for label in axes.get_xticklabels():
            label.set_rotation(-layout.tickangle)
            label.set_horizontalalignment("right" if layout.tickangle < 0 else "left")
            label.set_rotation_mode("anchor")


def _ticks(axis, scale: Scale) -> None:
    layout = scale.layout
    if layout.tickvals is not None:
        places = [scale.place(value) for value in layout.tickvals]
        texts = layout.ticktext if layout.ticktext is not None else [f"{value:g}" for value in layout.tickvals]
        axis.set_major_locator(FixedLocator(places))
        axis.set_ticks(places, labels=[words.text(label) for label in texts])
        axis.set_minor_locator(NullLocator())
    elif scale.categorical:
        # A blank name is a gap between rows: no tick stands there.
        named = {place: words.text(name) for place, name in enumerate(scale.names) if name.strip()}
        axis.set_ticks(list(named), labels=list(named.values()))
    elif layout.dtick is not None and not scale.log and not isinstance(layout.dtick, str):
        axis.set_major_locator(MultipleLocator(layout.dtick))


def unite(figure_axes: list[tuple[Axes, Scale]]) -> None:
    """Gives axes that plotly couples by `matches` the limits that hold them all."""
    families: dict[str, list[tuple[Axes, Scale]]] = {}
    for axes, scale in figure_axes:
        families.setdefault(scale.layout.matches or scale.axis, []).append((axes, scale))
    for members in families.values():
        side = members[0][1].axis[0]
        limits = [getattr(axes, f"get_{side}lim")() for axes, _ in members]
        reversed_ = limits[0][0] > limits[0][1]
        low, high = min(min(pair) for pair in limits), max(max(pair) for pair in limits)
        for axes, _ in members:
            getattr(axes, f"set_{side}lim")((high, low) if reversed_ else (low, high))
