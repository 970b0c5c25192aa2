"""Export of any of our figures, and of the data behind it, as files for papers. No browser is needed.

PDF and SVG are vector files with Type-42 fonts, drawn by matplotlib in the width of a column; HTML is interactive and
holds plotly's own script, so that it opens without a network.
"""

import io
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.press.support import ExportError
from morphoquant.figures.tables import to_csv, to_latex, to_markdown
from morphoquant.store.atomic import write_bytes

WIDTHS = {"single": 3.5, "double": 7.16}
DPI = 300
_TABLES = {".csv": to_csv, ".md": to_markdown, ".tex": to_latex}
_DRAWN = (".pdf", ".svg", ".png")
FORMATS: tuple[str, ...] = (*_DRAWN, ".html", *_TABLES)


def export(figure: go.Figure | None, frame: pd.DataFrame, path: Path | str, width: str = "single") -> Path:
    """Writes `figure`, or the frame behind it, in the format that the suffix of `path` names; whole or not at all.

    Args:
        figure: the figure; may be absent for tables.
        frame: the data of the figure.
        path: target with one of the suffixes in `FORMATS`.
        width: "single" (3.5 in) or "double" (7.16 in) column of a paper.

    Returns:
        The path written.

    Raises:
        ExportError: unknown suffix or width, or a figure that has no translation.
        StoreError: the file cannot be written.
    """
    path = Path(path)
    write_bytes(path, render(figure, frame, path.suffix, width))
    return path


def render(figure: go.Figure | None, frame: pd.DataFrame, suffix: str, width: str = "single") -> bytes:
    """The bytes that `export` writes, for a download button."""
    suffix = suffix.lower()
    if suffix in _TABLES:
        return _TABLES[suffix](frame).encode()
    if suffix not in FORMATS:
        raise ExportError(f"cannot export to {suffix!r}: allowed are {', '.join(FORMATS)}.")
    if width not in WIDTHS:
        raise ExportError(f"unknown width {width!r}: allowed are {', '.join(WIDTHS)}.")
    if figure is None:
        raise ExportError(f"a table has no {suffix} form: allowed are {', '.join(_TABLES)}.")
    if suffix == ".html":
        return figure.to_html(include_plotlyjs=True, full_html=True).encode()
    return _drawn(figure, suffix, width)


def _drawn(figure: go.Figure, suffix: str, width: str) -> bytes:
    from morphoquant.figures.press.canvas import draw
    from morphoquant.figures.press.style import style

    stamp = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}[suffix]
    with style(width), io.BytesIO() as file:
        draw(figure, WIDTHS[width], width).savefig(file, format=suffix[1:], dpi=DPI, metadata=stamp)
        return file.getvalue()
