"""Figures of channels through the depth: the UpSet matrix, dots of lasting channels, and logarithmic colours."""

import numpy as np
import pandas as pd
import pytest

from morphoquant.figures.channel_map import channel_map
from morphoquant.figures.decades import decades
from morphoquant.figures.lasting_dots import lasting_dots
from morphoquant.figures.theme import COLOURS, NEUTRAL
from morphoquant.figures.upset import MOST_BARS, upset


def test_a_bar_stands_over_the_dots_of_its_modalities():
    sets = dict(modalities=["audio", "text video", "text"], count=[9, 4, 2], share_percent=[60.0, 26.7, 13.3], inputs=3)
    figure = upset(pd.DataFrame(sets).assign(names="text audio video"), "Count (channels)")
    bar, line, *dots = figure.data
    assert list(bar.marker.color) == [COLOURS["audio"], NEUTRAL, COLOURS["text"]] and list(bar.text) == ["9", "4", "2"]
    assert (list(line.x), list(line.y)) == ([1, 1], [0, 2])
    filled = {tuple(zip(trace.x, trace.y, strict=True)) for trace in dots if trace.marker.size == 11}
    assert filled == {((1, 0), (2, 0)), ((0, 1),), ((1, 2),)}
    assert list(figure.layout.yaxis2.ticktext) == ["text (6)", "audio (9)", "video (4)"]


def test_sets_that_have_no_room_are_counted_in_words():
    sets = dict(modalities=["text"] * (MOST_BARS + 2), count=range(MOST_BARS + 2, 0, -1), share_percent=1.0, inputs=1)
    figure = upset(pd.DataFrame(sets).assign(names="text image"), "Count")
    assert len(figure.data[0].x) == MOST_BARS and "2 smaller ones with 3 left out" in figure.layout.xaxis2.title.text


def test_the_most_lasting_channels_stand_on_top_and_absent_ones_have_no_dot():
    rows = [(5, "text", 1), (5, "audio", 0), (9, "text", 2), (9, "audio", 4)]
    frame = pd.DataFrame(rows, columns=["channel", "modality", "outlier"]).assign(inputs=4)
    figure = lasting_dots(frame.assign(share_percent=25.0 * frame["outlier"]), 25.0)
    assert list(figure.layout.yaxis.categoryarray) == ["channel 9", "channel 5"]
    text, audio = figure.data
    assert sorted(zip(text.x, text.y, strict=True)) == [(25.0, "channel 5"), (50.0, "channel 9")]
    assert list(audio.y) == ["channel 9"] and list(audio.customdata[0][:2]) == [None, 9]


def test_colours_span_decades_and_zero_has_the_lowest():
    axis = decades(np.array([0.0, 1e-9, 0.5, 20.0, 3000.0, np.nan]), "size")
    assert axis.high == pytest.approx(np.log10(3000)) and axis.low == pytest.approx(axis.high - 5)
    assert axis.bar["ticktext"] == ["0.1", "1", "10", "100", "1000"]
    shade = axis.shade(np.array([[0.0, 100.0, np.nan]]))
    assert shade[0, 0] == pytest.approx(axis.low) and shade[0, 1] == 2 and np.isnan(shade[0, 2])
    flat = decades(np.array([3.0, 3.0]), "size")
    assert flat.low < flat.high and len(flat.bar["tickvals"]) == len(flat.bar["ticktext"]) > 1
    assert decades(np.array([np.nan, 0.0]), "size").high == 0


def test_absent_channels_are_blank_in_the_map():
    rows = [("a", 0, "text", 0, 1.0), ("a", 0, "text", 1, 10.0), ("b", 1, "text", 1, 100.0)]
    frame = pd.DataFrame(rows, columns=["label", "row", "modality", "first_channel", "value"]).assign(channels=1)
    (trace,) = channel_map(frame, "size").data
    np.testing.assert_array_equal(trace.customdata, np.float32([[1, 10], [np.nan, 100]]))
    np.testing.assert_allclose(trace.z, [[0, 1], [np.nan, 2]], atol=1e-6)
