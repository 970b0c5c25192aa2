import numpy as np
import pytest

from morphoquant.core.errors import StoreError
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.selection import Selection
from morphoquant.figures.ridge_lines import ridge_lines
from morphoquant.queries.codes import codes_used
from morphoquant.queries.entropy import code_entropy
from morphoquant.queries.ridges import range_ridges

LAYER = "model.language_model.layers.1.mlp.down_proj"
LANGUAGE = Selection(component="language", modalities=CONTENT)


def test_entropy_is_that_of_the_codes_of_the_values(small_runs):
    frame = code_entropy(small_runs.rtn4, small_runs.capture, LANGUAGE)
    table = small_runs.capture.table("histograms", where={"group": LAYER, "modality": "audio", "position": "rest"})
    grids = small_runs.rtn4.frame("grids", where={"group": LAYER}).set_index("channel")
    from morphoquant.stats.bins import bin_edges

    bits = []
    for row in table.to_pylist():
        grid = grids.loc[row["channel"]]
        centre = bin_edges().mean(axis=1)[row["bins"]]
        codes = np.clip(np.round(centre / grid["step"]) + grid["zero_point"], grid["code_low"], grid["code_high"])
        p = np.array([sum(n for n, c in zip(row["counts"], codes, strict=True) if c == code) for code in set(codes)])
        p = p / p.sum()
        bits.append(-(p * np.log2(p)).sum())
    found = frame[(frame["layer"] == LAYER) & (frame["modality"] == "audio")].iloc[0]
    assert found["value"] == pytest.approx(np.mean(bits), abs=1e-9)
    assert found["channels"] == 48 and found["offered"] == pytest.approx(np.log2(15), abs=0.1)


def test_entropy_never_exceeds_what_the_codes_in_use_allow(small_runs):
    frame = code_entropy(small_runs.searched, small_runs.capture, LANGUAGE)
    assert ((frame["value"] > 0) & (frame["value"] <= frame["offered"])).all()
    used = codes_used(small_runs.searched, small_runs.capture, LANGUAGE, LAYER)
    most = np.log2(used[used["modality"] == "text"]["used"].max())
    assert frame.loc[(frame["layer"] == LAYER) & (frame["modality"] == "text"), "value"].iat[0] <= most


def test_ridges_are_of_one_role_and_hold_every_value(small_runs):
    frame = range_ridges(small_runs.capture, Selection(layer=LAYER, modalities=CONTENT))
    assert frame["role"].unique().tolist() == ["down_proj"] and frame["block"].nunique() == 3
    share = frame["per_octave_percent"] * np.log2(frame["high"] / frame["low"])
    assert share.groupby([frame["layer"], frame["modality"]]).sum().to_numpy() == pytest.approx(100.0, abs=0.5)
    assert range_ridges(small_runs.capture, Selection())["role"].nunique() == 1
    with pytest.raises(StoreError, match="no layer in"):
        range_ridges(small_runs.capture, Selection(component="language", role="fc2"))


def test_deeper_ridges_stand_lower_and_dots_at_the_largest_value(small_runs):
    frame = range_ridges(small_runs.capture, Selection(layer=LAYER, modalities=(Modality.TEXT, Modality.AUDIO)))
    figure = ridge_lines(frame)
    ridges = [trace for trace in figure.data if trace.fill == "toself"]
    assert len(ridges) == 2 * 3 and [trace.y[0] for trace in ridges[:3]] == [0, -1, -2]
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    text = frame[frame["modality"] == "text"].drop_duplicates("layer")
    assert list(dots[0].x) == text["absmax"].tolist() and dots[0].customdata[0][0] == text["layer"].iat[0]
