import numpy as np
import pytest
from fixtures.wide_model import linears

from morphoquant.figures.model_layout import WIDTH, lay_parts
from morphoquant.figures.model_map import model_map
from morphoquant.queries.model_map import placed


@pytest.fixture(scope="module")
def large():
    frame = placed(linears(blocks=80))
    values = np.linspace(0.5, 400.0, len(frame))
    return frame.assign(modality="text", value=values, shown=values)


def test_parts_of_a_large_model_stand_apart_and_within_the_drawing(large):
    layout = lay_parts(large)
    assert len(layout.parts) == 7
    for part in layout.parts:
        assert 0 <= part.left - part.gutter and part.right <= WIDTH + 1e-6 and part.top + len(part.rows) <= layout.height
        for other in layout.parts:
            beside = part.right <= other.left - other.gutter or other.right <= part.left - part.gutter
            above = part.top + len(part.rows) < other.top or other.top + len(other.rows) < part.top
            assert part == other or beside or above, (part.name, other.name)
    by_name = {part.name: part for part in layout.parts}
    assert by_name["audio_bridge"].top > by_name["model.visual.merger"].top  # beside its own tower
    assert (
        by_name["model.layers"].left > by_name["audio_bridge"].right and by_name["lm_head"].left > by_name["model.layers"].right
    )


def test_a_large_model_is_light_and_has_few_labels(large):
    figure = model_map(large, "Measure (1, log scale)", log=True, chosen="model.layers.79.self_attn.v_proj")
    assert len(figure.to_json()) < 250_000
    assert len(figure.layout.annotations) < 40
    cells = [trace for trace in figure.data if trace.type == "scatter"]
    assert sorted(data[0] for trace in cells for data in trace.customdata) == sorted(large["layer"])
    frames = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert len(frames) == 2 and frames[0].x0 == frames[1].x0
    assert frames[1].x1 == pytest.approx(max(part.right for part in lay_parts(large).parts if part.name == "model.layers"))
    assert figure.layout.coloraxis.cmin == pytest.approx(np.log10(0.5))
    assert figure.layout.coloraxis.colorbar.ticktext[-1] == "100"


def test_experts_share_a_cell_that_wears_the_worst():
    frame = placed(linears(blocks=2, experts=8)).assign(modality="text", value=1.0, shown=1.0)
    worst = "model.layers.1.mlp.experts.5.up_proj"
    frame.loc[frame["layer"] == worst, ["value", "shown"]] = 9.0
    clicks = {data[0] for trace in model_map(frame, "Measure (1)").data if trace.type == "scatter" for data in trace.customdata}
    assert worst in clicks and not any(name.startswith("model.layers.1.mlp.experts.4.up") for name in clicks)
    low = frame.assign(shown=-frame["shown"])
    clicks = {
        data[0]
        for trace in model_map(low, "x (1)", low_is_worse=True).data
        if trace.type == "scatter"
        for data in trace.customdata
    }
    assert worst in clicks


def test_what_is_exact_wears_the_best_colour():
    frame = placed(linears(blocks=2)).assign(modality="text", value=20.0, shown=20.0)
    frame.loc[frame["layer"] == "lm_head", ["value", "shown"]] = np.inf
    figure = model_map(frame, "SQNR (dB)", low_is_worse=True)
    assert [trace.z[0][0] for trace in figure.data if trace.type == "heatmap"][-1] == figure.layout.coloraxis.cmin == 20.0
    assert "text: exact" in figure.data[-1].text[0]


def test_what_was_not_measured_is_grey_and_still_leads_somewhere():
    frame = placed(linears(blocks=2)).assign(modality=None, value=np.nan, shown=np.nan)
    frame.loc[frame["component"] == "language", ["value", "shown"]] = np.inf
    figure = model_map(frame, "SQNR (dB)", low_is_worse=True)
    texts = [text for trace in figure.data if trace.type == "scatter" for text in trace.text]
    assert sum("not measured" in text for text in texts) == (frame["component"] != "language").sum()
    maps = [trace for trace in figure.data if trace.type == "heatmap"]
    assert all(trace.coloraxis is None and trace.showscale is False for trace in maps)
