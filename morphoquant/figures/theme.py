"""The look of every figure: colours, template, sizes and number formats, in one place.

Modalities have their colours everywhere (Okabe and Ito's palette, fit for colour-blind readers); series that are not
modalities take colours outside that set. Paper and plot background are transparent, so that a figure stands on a light
or a dark page; text colours live in the template alone, so that the page's own theme can replace them.
"""

import math

import plotly.graph_objects as go
from plotly.colors import get_colorscale

from morphoquant.core.evaluation import CROSS_MODAL, SUBJECTS
from morphoquant.core.modality import MODALITIES, Modality

COLOURS: dict[Modality, str] = {
    Modality.TEXT: "#0072B2",
    Modality.IMAGE: "#E69F00",
    Modality.AUDIO: "#009E73",
    Modality.VIDEO: "#CC79A7",
    Modality.SPECIAL: "#7F7F7F",
    Modality.UNKNOWN: "#BDBDBD",
}
CROSS_MODAL_COLOUR = "#56B4E9"
FULL_PRECISION = "#000000"
NEUTRAL = "#808080"
EMPHASIS = "#D55E00"
SERIES = ("#D55E00", "#44AA99", "#882255", "#999933", "#332288", "#DDCC77", "#AA4499", "#117733")
MAGNITUDE = get_colorscale("Cividis")
DIFFERENCE = get_colorscale("RdBu")
DASH_BEFORE, DASH_AFTER = "dash", "solid"
HEIGHT = 420
LEGEND_ROW = 26  # pixels

_GRID = "rgba(128,128,128,0.25)"
_LINE = dict(linecolor="rgba(128,128,128,0.6)", showline=True, zeroline=False, ticks="outside")
# All ticks are whole numbers, "0.0002": by itself a log axis mixes "100\u00b5", "0.001" and a small "2".
_AXIS = dict(gridcolor=_GRID, automargin=True, tickformat="~g", **_LINE)
TEMPLATE = go.layout.Template(
    layout=dict(
        font=dict(family="Source Sans Pro, Helvetica, Arial, sans-serif", size=14, color="#333333"),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis=_AXIS,
        yaxis=_AXIS,
        legend=dict(traceorder="normal"),
    )
)


def modality_colour(name: str) -> str:
    """Colour of a modality by name."""
    return COLOURS[Modality(name)]


def modality_order(names) -> list[str]:
    """The given modality names in the order in which every legend lists them."""
    # A column of a frame, which iterates slowly, may have a hundred thousand of them.
    present = set(names.unique() if hasattr(names, "unique") else names)
    return [str(m) for m in MODALITIES if m in present]


def subject_colour(name: str) -> str:
    """Colour of a question's subject: that of its modality, sky blue for cross-modal ones, grey for all together."""
    if name == CROSS_MODAL:
        return CROSS_MODAL_COLOUR
    return modality_colour(name) if name in SUBJECTS else NEUTRAL


def faded(colour: str, opacity: float) -> str:
    """`colour` (#rrggbb) with an opacity, as a CSS rgba()."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def three_digits(value: float) -> str:
    """Three significant digits, with an SI-free exponent only beyond 1e-4 and 1e6; infinity in words of the field."""
    if math.isinf(value):
        return "exact" if value > 0 else "-inf"
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.2e}"
    if abs(value) >= 100:
        return f"{round(value, -max(0, math.floor(math.log10(abs(value))) - 2)):,.0f}"
    return f"{value:#.3g}".removesuffix(".") if value else "0"


def lay_out(figure: go.Figure, height: int = HEIGHT, legend: bool = True, legend_rows: int = 1) -> go.Figure:
    """Applies template, height, margins and the legend on top, above the panels' titles; returns the figure."""
    titled = any(note.yref == "paper" and note.y > 0.99 for note in figure.layout.annotations)
    figure.update_layout(
        template=TEMPLATE,
        height=height,
        margin=dict(l=64, r=24, t=20 + (LEGEND_ROW * legend_rows if legend else 0) + (22 if titled else 0), b=56),
        showlegend=legend,
        hovermode="closest",
        legend=dict(orientation="h", x=0, y=1, yref="container", yanchor="top", xanchor="left"),
    )
    figure.update_annotations(font_size=13, selector=dict(yref="paper"))
    return figure
