"""Share of the final range over the number of samples: a line a modality, with the spread of the inputs."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import HEIGHT, NEUTRAL, faded, lay_out, modality_colour, modality_order


def settling_lines(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `settling`; the line's name tells what the second half of the samples added."""
    figure = go.Figure()
    frame = frame[frame["holding"] > 0]  # a logarithmic axis has no place for none
    names = modality_order(frame["modality"])
    for name in names:
        rows = frame[frame["modality"] == name].drop_duplicates("holding", keep="last")
        band = dict(mode="lines", line=dict(width=0, color=modality_colour(name)), hoverinfo="skip", showlegend=False)
        figure.add_trace(go.Scatter(x=rows["holding"], y=rows["low"], **band))
        figure.add_trace(
            go.Scatter(x=rows["holding"], y=rows["high"], fill="tonexty", fillcolor=faded(modality_colour(name), 0.12), **band)
        )
    for name in names:
        rows = frame[frame["modality"] == name].drop_duplicates("holding", keep="last")
        figure.add_trace(
            go.Scatter(
                x=rows["holding"],
                y=rows["value"],
                mode="lines+markers",
                name=f"{name}: +{_added(frame, name):.1f} % by the second half",
                line=dict(color=modality_colour(name), width=2),
                marker=dict(color=modality_colour(name), size=6),
                customdata=[[None, None, row.samples, row.tokens] for row in rows.itertuples()],
                hovertemplate=f"{name}: %{{y:.1f}} % after %{{x}} samples that hold it<br>(%{{customdata[2]}} of all kinds, "
                "%{customdata[3]:,} tokens)<extra></extra>",
            )
        )
    figure.add_hline(y=100, line=dict(color=NEUTRAL, width=1, dash="dot"))
    most = int(frame["holding"].max())
    ticks = [2**power for power in range(most.bit_length()) if 2**power < 0.75 * most] + [most]
    figure.update_xaxes(title_text="Samples that hold the modality (count, log scale)", type="log", tickvals=ticks)
    figure.update_yaxes(title_text="Share of the final range, mean over channels (%)", range=[0, 104])
    return lay_out(figure, HEIGHT, legend_rows=-(-len(names) // 3))


def _added(frame: pd.DataFrame, name: str) -> float:
    """Percent of the final range that came after half of all samples."""
    rows, half = frame[frame["modality"] == name], sorted(frame["samples"].unique())[-2:][0]
    seen = rows.loc[rows["samples"] == half, "value"]
    return 100.0 - float(seen.iat[0]) if len(seen) else 100.0
