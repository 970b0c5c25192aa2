"""Export: vector files with embedded fonts, whole or not at all; what cannot be translated is named."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots
from pypdf import PdfReader

from morphoquant.core.errors import StoreError
from morphoquant.figures.paper import FORMATS, WIDTHS, export, render
from morphoquant.figures.press.support import ExportError
from morphoquant.figures.theme import MAGNITUDE

FRAME = pd.DataFrame({"layer": ["a_b", "50% & <more>"], "value": [1.23456, np.nan], "count": [1, 2]})


@pytest.fixture
def figure() -> go.Figure:
    drawn = make_subplots(rows=2, cols=1, shared_xaxes=True, subplot_titles=["one", "two"])
    line = dict(color="#0072B2", dash="dash", shape="hv")
    drawn.add_trace(go.Scatter(x=[1, 2, 3], y=[1, None, 100], mode="lines+markers", name="text", line=line), 1, 1)
    drawn.add_trace(go.Scatter(x=[1, 2, 3], y=[2, 20, 200], name="image", line=dict(color="#E69F00")), 1, 1)
    drawn.add_trace(go.Bar(x=[1, 2, 3], y=[3, 1, 2], name="bars", marker=dict(color="#009E73"), text=["3", "1", "2"]), 2, 1)
    drawn.update_yaxes(type="log", title_text="value (units, log scale)", row=1, col=1)
    drawn.update_xaxes(title_text="x (10<sup>3</sup>)", row=2, col=1)
    drawn.add_hline(y=2, row=2, col=1)
    return drawn


@pytest.mark.parametrize("width", WIDTHS)
def test_pdf_is_one_vector_page_of_the_column_width_with_type_42_fonts(figure, tmp_path, width):
    path = export(figure, FRAME, tmp_path / "figure.pdf", width)
    (page,) = PdfReader(path).pages
    assert float(page.mediabox.width) == pytest.approx(WIDTHS[width] * 72, abs=0.1)
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    descendants = [part.get_object() for font in fonts for part in font.get("/DescendantFonts", [])]
    assert descendants and all(part["/Subtype"] == "/CIDFontType2" for part in descendants)
    assert all("/FontFile2" in part["/FontDescriptor"] for part in descendants)
    assert not page["/Resources"].get("/XObject", {}) or all("Image" not in str(x) for x in page["/Resources"]["/XObject"])
    text = page.extract_text().replace("\n", " ")
    assert "value (units, log scale)" in text and "one" in text and "image" in text


def test_svg_is_vector_with_text_and_our_colours(figure):
    text = render(figure, FRAME, ".svg").decode()
    assert "<image" not in text and "<text" in text
    assert "#0072b2" in text and "#e69f00" in text and "stroke-dasharray" in text


def test_exports_repeat_byte_for_byte(figure):
    for suffix in (".pdf", ".svg", ".png"):
        assert render(figure, FRAME, suffix) == render(figure, FRAME, suffix), suffix


def test_html_holds_its_own_script(figure):
    page = render(figure, FRAME, ".html").decode()
    assert "<script src=" not in page and "plotly.js v" in page[:10_000] + page[-5_000_000:]


def test_tables(figure, tmp_path):
    assert render(None, FRAME, ".csv").decode().splitlines()[1] == "a_b,1.23456,1"
    assert render(None, FRAME, ".md").decode().splitlines()[2] == "| a_b | 1.23 | 1 |"
    latex = render(None, FRAME, ".tex").decode()
    assert r"a\_b & 1.23 & 1 \\" in latex and r"50\% \& \textless{}more\textgreater{} &  & 2 \\" in latex


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(tmp_path):
    nasty = pd.DataFrame({"a_b^c": ['\\~^_{}$#&%|<>"', "[x]"], "v": [1.0, -2e-7]})
    table = render(None, nasty, ".tex").decode()
    page = rf"\documentclass{{article}}\usepackage[T1]{{fontenc}}\usepackage{{booktabs}}\begin{{document}}{table}\end{{document}}"
    (tmp_path / "page.tex").write_text(page)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_nothing_is_left_of_a_failed_export(figure, tmp_path):
    target = tmp_path / "figure.pdf"
    target.write_bytes(b"before")
    with pytest.raises(ExportError):
        export(go.Figure(go.Pie(values=[1])), FRAME, target)
    assert target.read_bytes() == b"before" and [path.name for path in tmp_path.iterdir()] == ["figure.pdf"]
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        export(figure, FRAME, tmp_path / "file" / "figure.pdf")


@pytest.mark.parametrize(
    ("trouble", "named"),
    [
        (go.Figure(go.Pie(values=[1])), "'pie' trace"),
        (go.Figure(go.Scatter(x=[1], y=[1], error_y=dict(array=[1]))), "scatter trace.error_y"),
        (go.Figure(go.Scatter(x=[1], y=[1], marker=dict(colorscale="Viridis"))), "scatter.marker.colorscale"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout=dict(images=[dict(source="x")])), "layout.images"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout=dict(yaxis2=dict(overlaying="y"))), "layout.yaxis2.overlaying"),
        (go.Figure(go.Scatter(x=[1], y=[1], line=dict(dash="5px"))), "dash '5px'"),
        (go.Figure(go.Scatter(x=[1], y=[1], line=dict(color="hsl(0,0%,0%)"))), "colour 'hsl"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout=dict(shapes=[dict(type="circle")])), "'circle' shape"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout=dict(annotations=[dict(text="a", x=1, y=1)])), "arrow"),
        (go.Figure(go.Heatmap(z=[[1, 2]])), "colour scale"),
    ],
)
def test_what_has_no_translation_is_named(trouble, named):
    with pytest.raises(ExportError, match=named.replace("(", r"\(")):
        render(trouble, FRAME, ".pdf")


def test_unknown_suffix_and_width_name_the_allowed_ones(figure):
    with pytest.raises(ExportError, match=r"\.pdf, \.svg"):
        render(figure, FRAME, ".bmp")
    with pytest.raises(ExportError, match="single, double"):
        render(figure, FRAME, ".pdf", "triple")
    with pytest.raises(ExportError, match="a table has no .pdf form"):
        render(None, FRAME, ".pdf")
    assert FORMATS == (".pdf", ".svg", ".png", ".html", ".csv", ".md", ".tex")


def test_heat_maps_keep_their_scale_and_numbers():
    numbers = [["1", "2"], ["3", "4"]]
    heat = go.Heatmap(z=[[1, 2], [3, 4]], x=["a", "b"], y=["c", "d"], colorscale=MAGNITUDE, text=numbers, texttemplate="%{text}")
    drawn = go.Figure(heat).update_traces(colorbar=dict(title=dict(text="SQNR (dB)")))
    text = render(drawn, FRAME, ".svg").decode()
    assert "SQNR (dB)" in text and text.count("<text") > 8
    many = go.Figure(go.Heatmap(z=np.zeros((150, 200)), colorscale=MAGNITUDE))
    assert b"<image" in render(many, FRAME, ".svg")
