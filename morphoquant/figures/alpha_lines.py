"""Half-widths of all grids of a layer input before and after the search, and the ratios that the search chose."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import DASH_BEFORE, EMPHASIS, HEIGHT, NEUTRAL, lay_out

LARGEST_POINTS = 1500
_KINDS = ((False, "after, ordinary channel", NEUTRAL), (True, "after, outlier channel", EMPHASIS))


def alpha_lines(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `alpha_search`, channels ranked by their half-width before the search.

    With more than `LARGEST_POINTS` channels, of neighbours in rank the one with the smallest ratio is shown.
    """
    ranked = frame.sort_values("alpha_before", ascending=False).reset_index(drop=True)
    ranked["rank"] = np.arange(1, len(ranked) + 1)
    step = -(-len(ranked) // LARGEST_POINTS)
    if step > 1:
        ranked = ranked.sort_values("ratio").groupby((ranked["rank"] - 1) // step).head(1).sort_values("rank")
    figure = make_subplots(rows=2, cols=1, row_heights=[0.62, 0.38], vertical_spacing=0.17)
    line = dict(color=NEUTRAL, width=2, dash=DASH_BEFORE)
    before = dict(x=ranked["rank"], y=ranked["alpha_before"].where(ranked["alpha_before"] > 0), mode="lines", line=line)
    figure.add_trace(go.Scatter(name="before", hoverinfo="skip", **before), 1, 1)
    whole = frame[frame["ratio"].notna()]
    bins = _bins(whole["ratio"].to_numpy())
    for masked, name, colour in _KINDS:
        part = ranked[(ranked["masked"] == masked) & (ranked["alpha_after"] > 0)]
        if len(part):
            figure.add_trace(
                go.Scatter(
                    x=part["rank"],
                    y=part["alpha_after"],
                    mode="markers",
                    name=name,
                    legendgroup=name,
                    marker=dict(color=colour, size=5 if not masked else 7),
                    customdata=part[["layer", "channel", "ratio"]].values.tolist(),
                    hovertemplate="channel %{customdata[1]}<br>alpha %{y:.3g}, ratio %{customdata[2]:.3g}<extra></extra>",
                ),
                1,
                1,
            )
        ratios = whole.loc[whole["masked"] == masked, "ratio"].to_numpy()
        if len(ratios):
            counts = np.bincount(np.argmin(np.abs(ratios[:, None] - bins[None, :]), axis=1), minlength=len(bins))
            bar = dict(marker=dict(color=colour), name=name, legendgroup=name, showlegend=False, width=_thick(bins))
            hover = "ratio %{x:.3g}: %{y} channels<extra></extra>"
            figure.add_trace(go.Bar(x=bins, y=counts, hovertemplate=hover, **bar), 2, 1)
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title_text="Channel, ranked by its width before the search", row=1, col=1)
    figure.update_yaxes(title_text="Grid half-width alpha<br>(activation units, log scale)", type="log", row=1, col=1)
    reach = [float(bins.min()) - 0.05, float(bins.max()) + 0.05]
    figure.update_xaxes(title_text="Alpha after the search over alpha before (ratio)", range=reach, row=2, col=1)
    figure.update_yaxes(title_text="Channels (count)", row=2, col=1)
    return lay_out(figure, HEIGHT + 180)


def _bins(ratios: np.ndarray) -> np.ndarray:
    """The distinct ratios where a search has few candidates, else 24 even bins."""
    distinct = np.unique(np.round(ratios, 4))
    return distinct if 0 < len(distinct) <= 40 else np.linspace(distinct.min(initial=0.0), distinct.max(initial=1.0), 24)


def _thick(bins: np.ndarray) -> float:
    return float(np.diff(bins).min()) * 0.8 if len(bins) > 1 else 0.02
