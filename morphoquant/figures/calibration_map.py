"""The calibration matrix as a map with numbers: calibration sets down, subjects across, one panel a method."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.core.evaluation import SUBJECTS
from morphoquant.figures.inks import readable_inks
from morphoquant.figures.theme import DIFFERENCE, MAGNITUDE, lay_out, three_digits
from morphoquant.figures.ticks import escaped

_FULL = "full precision"


def calibration_map(frame: pd.DataFrame, column: str, axis: str, scale: float, centred: bool) -> go.Figure:
    """Draws a column of the frame of `calibration_matrix`.

    Args:
        frame: label, calibration, subject and the column; accuracy has the difference to full precision under its numbers and
            full precision as a last row, `to_all` the verdict of the test.
        column: what is shown.
        axis: title of the colour bar, with unit.
        scale: factor from the column to the axis, 100 for percent.
        centred: whether the colours are centred at zero, for differences.
    """
    labels = list(dict.fromkeys(frame["label"]))
    subjects = [name for name in SUBJECTS if name in set(frame["subject"])]
    across = min(2, len(labels))
    down = -(-len(labels) // across)
    titles = [escaped(label) for label in labels]
    gaps = dict(horizontal_spacing=0.1, vertical_spacing=0.3 / down if down > 1 else 0.0)
    figure = make_subplots(rows=down, cols=across, subplot_titles=titles, **gaps)
    values = scale * frame[column].to_numpy(float)
    values = values[np.isfinite(values)]
    reach = max(float(np.abs(values).max(initial=0.0)), 1.0 if scale == 100.0 else 1e-6)
    low, high = (-reach, reach) if centred else (float(values.min()), float(values.max()))
    colours = DIFFERENCE if centred else MAGNITUDE
    most = 0
    for place, label in enumerate(labels):
        part = frame[frame["label"] == label]
        cells, notes = _cells(part, column, scale, subjects)
        most = max(most, len(cells))
        shown = cells.to_numpy(float)
        inks = readable_inks(shown, colours, low, high)
        for ink in sorted(set(inks[np.isfinite(shown)])):
            figure.add_trace(
                go.Heatmap(
                    z=np.where(inks == ink, shown, np.nan),
                    x=subjects,
                    y=list(cells.index),
                    coloraxis="coloraxis",
                    text=np.where(inks == ink, notes, "").tolist(),  # Plotly writes the text of a cell without a value too
                    texttemplate="%{text}",
                    textfont=dict(color=ink),
                    xgap=2,
                    ygap=2,
                    hoverongaps=False,
                    hovertemplate="calibrated on %{y}, asked about %{x}<br>%{text}<extra></extra>",
                ),
                row=place // across + 1,
                col=place % across + 1,
            )
    bar = dict(title=dict(text=axis))
    figure.update_layout(coloraxis=dict(colorscale=colours, cmin=low, cmax=high, colorbar=bar))
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, title_text="Calibrated on")
    figure.update_xaxes(type="category", showgrid=False, title_text="Asked about")
    return lay_out(figure, 70 + down * (90 + 46 * most), legend=False)


def _cells(part: pd.DataFrame, column: str, scale: float, subjects: list[str]) -> tuple[pd.DataFrame, list[list[str]]]:
    """The numbers [calibration sets, subjects] of one panel, and their texts."""
    names = [escaped(name) for name in dict.fromkeys(part["calibration"])]
    part = part.assign(calibration=[escaped(name) for name in part["calibration"]])

    def table(name: str) -> pd.DataFrame:
        return part.pivot_table(index="calibration", columns="subject", values=name, aggfunc="first", dropna=False).reindex(
            index=names, columns=subjects
        )

    cells = scale * table(column).astype(float)
    below = None
    if column == "accuracy":
        below = (100.0 * table("difference").astype(float)).map(lambda value: "" if np.isnan(value) else f"<br>({value:+.1f})")
        full = part.drop_duplicates("subject").set_index("subject")["full"].reindex(subjects)
        if full.notna().any():
            cells.loc[_FULL] = scale * full
    elif column == "to_all":
        below = table("verdict").map(lambda verdict: f"<br>{verdict}" if isinstance(verdict, str) else "")
    sign = column in ("difference", "to_all")
    notes = [["" if np.isnan(value) else _number(value, sign) for value in row] for row in cells.to_numpy()]
    if below is not None:
        extra = below.reindex(index=cells.index).fillna("").to_numpy()
        notes = [
            [note + more if note else "" for note, more in zip(*rows, strict=True)] for rows in zip(notes, extra, strict=True)
        ]
    return cells, notes


def _number(value: float, sign: bool) -> str:
    return f"{value:+.1f}" if sign else three_digits(value)
