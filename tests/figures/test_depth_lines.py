"""Many layers of several parts: a panel for each series, all on one scale; few layers share a panel."""

import pandas as pd
import pytest

from morphoquant.figures.chosen_point import ring_layer
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.figures.panels import panels_of
from morphoquant.figures.paper import render


def _layers(blocks: int) -> pd.DataFrame:
    rows = [
        (
            f"{part}.{block}.{role}",
            f"L{block} {role}",
            part,
            role,
            block,
            (part == "language") * blocks + block,
            name,
            block + 1.0,
        )
        for part in ("vision", "language")
        for block in range(blocks)
        for role in ("fc1", "fc2")
        for name in ("audio", "text")
    ]
    return pd.DataFrame(rows, columns=["layer", "label", "component", "role", "block", "order", "modality", "value"])


@pytest.mark.parametrize(("blocks", "titles"), [(3, [""]), (20, ["text", "audio"])])
def test_a_crowd_is_told_apart(blocks, titles):
    frame = _layers(blocks)
    figure = ring_layer(depth_lines(frame, "Error (dB)"), "vision.1.fc1")
    panels = panels_of(figure)
    assert [panel.title for panel in panels] == titles
    for side in (0, 1):
        assert len({panel.layout(side).matches or panel.axes[side] for panel in panels}) == 1
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert named == (["text", "audio"] if len(titles) == 1 else []) + ["1.fc1"]
    assert [axis.title.text for axis in figure.select_yaxes() if axis.title.text] == ["Error (dB)"]
    assert [axis.title.text is None for axis in figure.select_xaxes()] == [True] * (len(titles) - 1) + [False]
    parts = [note.text for note in figure.layout.annotations if note.yref != "paper"]
    assert parts == ["vision", "language"]
    assert render(figure, frame, ".pdf", "single").startswith(b"%PDF")
