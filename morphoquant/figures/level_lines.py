"""The quantisation levels of one channel drawn over the distribution of its values."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.histogram_lines import add_density
from morphoquant.figures.theme import DASH_AFTER, DASH_BEFORE, EMPHASIS, HEIGHT, NEUTRAL, lay_out, three_digits

_EDGES = (
    ("edge before the search", ("base low", "base high"), DASH_BEFORE, NEUTRAL),
    ("edge in use", ("low", "high"), DASH_AFTER, EMPHASIS),
    ("bypass limit", ("bypass limit",), "dot", EMPHASIS),
)


def level_lines(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `grid_placement`."""
    figure = go.Figure()
    density = frame[frame["part"] == "density"]
    filled = density.loc[density["value"] > 0, "value"]
    bottom, top = float(filled.min()) / 2, float(filled.max()) * 2
    levels = frame[frame["part"] == "level"]
    figure.add_trace(_strokes(levels["value"], bottom, top, "level", dict(color="rgba(128,128,128,0.55)", width=1)))
    edges = frame[frame["part"] == "edge"].set_index("name")["value"]
    for name, keys, dash, colour in _EDGES:
        values = [edges[key] for key in keys if key in edges]
        values = sorted({sign * value for value in values for sign in ((1, -1) if name == "bypass limit" else (1,))})
        if values:
            label = f"{name}: {', '.join(three_digits(value) for value in values)}"
            figure.add_trace(_strokes(values, bottom, top, label, dict(color=colour, width=2, dash=dash)))
    add_density(figure, density, _names(frame, density), column="value")
    channel = int(frame["channel"].iat[0])
    figure.update_xaxes(title_text=f"Activation of channel {channel} (activation units)")
    figure.update_yaxes(title_text="Density (1 / activation unit, log scale)", type="log")
    shown = [*levels["value"], *edges, -edges.max(), *density.loc[density["value"] > 0, ["low", "high"]].to_numpy().ravel()]
    pad = 0.03 * (max(shown) - min(shown))
    figure.update_xaxes(range=[min(shown) - pad, max(shown) + pad])
    return lay_out(figure, HEIGHT + 100, legend_rows=3)


def _names(frame: pd.DataFrame, density: pd.DataFrame) -> dict[str, str]:
    uses = frame[frame["part"] == "use"].pivot_table(index="modality", columns="name", values="value", aggfunc="first")
    names = {}
    for modality in dict.fromkeys(density["modality"]):
        facts = uses.loc[modality].dropna() if modality in uses.index else {}
        words = [f"{facts['codes used']:.0f} of {facts['codes available']:.0f} codes"] if "codes used" in facts else []
        words += [f"{three_digits(facts[f'{word} %'])} % {word}" for word in ("clipped", "bypassed") if f"{word} %" in facts]
        beyond = facts.get("beyond view %", 0.0)
        words += [f"{three_digits(beyond)} % beyond the axis"] if beyond > 1e-3 else []
        names[modality] = f"{modality}: {', '.join(words)}" if words else modality
    return names


def _strokes(values, bottom: float, top: float, name: str, line: dict) -> go.Scatter:
    """Upright lines at `values` as one trace."""
    xs, ys = [], []
    for value in values:
        xs += [value, value, None]
        ys += [bottom, top, None]
    return go.Scatter(x=xs, y=ys, mode="lines", name=name, line=line, hovertemplate="%{x:.3g}<extra></extra>")
