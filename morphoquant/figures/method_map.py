"""Many methods over the layers of a model: a row a run, a column a layer, in colour the distance from the layer's median run."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import DIFFERENCE, NEUTRAL, lay_out, three_digits
from morphoquant.figures.ticks import escaped, thinned

_CLICKABLE = 6000
_ROW = 26


def method_map(frame: pd.DataFrame, axis: str, *, log: bool = False) -> go.Figure:
    """Draws every run's distance from the median run of each layer: blue is better than it, red is worse.

    Runs are sorted by their median layer, best first; layers stand by component, role and block. Colours end where 19 of 20
    cells are within, so that one poor run does not hide what the others differ in.

    Clicks on a heat map select nothing in Streamlit, so that cells also carry invisible markers, unless there are too many of
    them for a light page.

    Args:
        frame: layer, label, component, role, order, label_run and value, of one modality.
        axis: what is shown, with its unit.
        log: whether it is an error on a log axis, of which lower is better and ratios are shown.
    """
    layers = frame.drop_duplicates("layer").sort_values("order")
    kinds = {pair: place for place, pair in enumerate(dict.fromkeys(zip(layers["component"], layers["role"], strict=True)))}
    layers = layers.assign(kind=[kinds[pair] for pair in zip(layers["component"], layers["role"], strict=True)])
    layers = layers.sort_values(["kind", "order"]).reset_index(drop=True)
    medians = frame.groupby("label_run", sort=False)["value"].median().sort_values(ascending=log, kind="stable")
    table = frame.pivot_table(index="label_run", columns="layer", values="value", aggfunc="first")
    values = table.reindex(index=medians.index, columns=layers["layer"]).to_numpy(float)
    known = np.isfinite(values) & ((values > 0) if log else True)
    shown = np.log10(values, where=known, out=np.full(values.shape, np.nan)) if log else np.where(known, values, np.nan)
    middle = np.array([np.median(column[~np.isnan(column)]) if (~np.isnan(column)).any() else np.nan for column in shown.T])
    shown = shown - middle
    reach = float(np.quantile(np.abs(shown[~np.isnan(shown)]), 0.95)) if (~np.isnan(shown)).any() else 0.0
    reach = reach or 1.0
    rows, columns = [escaped(name) for name in medians.index], [escaped(label) for label in layers["label"]]
    figure = go.Figure(
        go.Heatmap(
            z=shown.astype("float32"),
            x=columns,
            y=rows,
            zmin=-reach,
            zmax=reach,
            colorscale=[[1 - place, colour] for place, colour in DIFFERENCE[::-1]] if log else DIFFERENCE,
            colorbar=dict(title=dict(text=_title(axis, log))) | (_factors(reach) if log else {}),
            hovertemplate="%{y}<br>%{x}<extra></extra>",
        )
    )
    at = np.argwhere(~np.isnan(values))
    if len(at) <= _CLICKABLE:
        figure.add_trace(
            go.Scatter(
                x=[columns[column] for _, column in at],
                y=[rows[row] for row, _ in at],
                mode="markers",
                marker=dict(symbol="square", size=6, color=NEUTRAL, opacity=0),
                customdata=[[layers["layer"].iat[column], None] for _, column in at],
                text=[three_digits(values[row, column]) for row, column in at],
                hovertemplate="%{y}<br>%{x}: %{text}<extra></extra>",
                showlegend=False,
            )
        )
    places, labels = thinned(list(layers["label"]))
    figure.update_xaxes(type="category", tickvals=places, ticktext=labels, tickangle=-35, showgrid=False)
    figure.update_xaxes(title_text="Layer, by part of the model, role and block", range=[-0.5, len(columns) - 0.5])
    figure.update_yaxes(type="category", showgrid=False, range=[len(rows) - 0.5, -0.5])
    for start in np.flatnonzero(np.diff(layers["kind"])) + 1:
        figure.add_vline(x=start - 0.5, line=dict(color="white", width=1))
    return lay_out(figure, 190 + _ROW * max(len(rows), 4), legend=False)


def _title(axis: str, log: bool) -> str:
    """ "Output SQNR, text (dB)" -> "Output SQNR, text,<br>less the median run's (dB)"."""
    name, _, unit = axis.partition(" (")
    if log:
        return f"{name},<br>of the median run's<br>(ratio, log scale)"
    return f"{name},<br>less the median<br>run's" + (f" ({unit}" if unit else "")


def _factors(reach: float) -> dict:
    """Ticks of a colour bar of log10 ratios."""
    places = np.linspace(-reach, reach, 5)
    return dict(tickvals=list(places), ticktext=[three_digits(10.0**place) for place in places])
