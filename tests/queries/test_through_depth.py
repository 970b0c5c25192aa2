"""Channels over the depth and by modality, against the planted outliers of the small model."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fixtures.small_model import HIDDEN, OUTLIERS, inputs_of, linears

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.modality import CONTENT, Modality, Position, slot
from morphoquant.core.selection import Selection
from morphoquant.queries import channel_map as maps
from morphoquant.queries import lasting
from morphoquant.queries.channel_map import channel_map
from morphoquant.queries.lasting import lasting_channels
from morphoquant.queries.mask_sets import mask_sets
from morphoquant.queries.masks import masked_channels, outlier_masks
from morphoquant.queries.stream import through_depth
from morphoquant.stats.dispersion import dispersion_score

LANGUAGE = Selection(component="language", modalities=CONTENT)
STREAM = [f"model.language_model.layers.{block}.self_attn.q_proj" for block in range(3)]


def rows_of(name: str, modality: Modality) -> np.ndarray:
    x, slots = inputs_of(next(linear for linear in linears() if linear.name == name))
    return x[slots == slot(modality, Position.REST)].astype(float)


def test_the_residual_stream_is_what_several_linears_read_and_a_role_takes_its_place(small_runs):
    assert through_depth(small_runs.capture, Selection())["layer"].tolist() == STREAM
    down = through_depth(small_runs.capture, Selection(role="down_proj"))
    assert down["layer"].tolist() == [name.replace("self_attn.q_proj", "mlp.down_proj") for name in STREAM]
    assert through_depth(small_runs.capture, Selection(role="k_proj"))["layer"].tolist() == STREAM
    with pytest.raises(StoreError, match="choose a role: qkv, fc2"):
        through_depth(small_runs.capture, Selection(component="vision"))


@pytest.mark.parametrize("measure", ["absmax", "kurtosis", "dispersion"])
def test_every_cell_follows_from_the_rows(small_runs, measure):
    frame = channel_map(small_runs.capture, LANGUAGE, measure)
    assert len(frame) == 3 * 4 * HIDDEN and (frame["channel"] == frame["first_channel"]).all()
    for row, name in enumerate(STREAM):
        x = rows_of(name, Modality.AUDIO)
        centred = x - x.mean(0)
        expected = {
            "absmax": np.abs(x).max(0),
            "kurtosis": (centred**4).mean(0) / (centred**2).mean(0) ** 2,
            "dispersion": dispersion_score(x.min(0), x.max(0), np.abs(x).mean(0)),
        }[measure]
        part = frame[(frame["row"] == row) & (frame["modality"] == "audio")]
        np.testing.assert_allclose(part.sort_values("channel")["value"], expected, rtol=1e-5)
        assert set(part["layer"]) == {name}


def test_joined_cells_hold_the_largest_of_their_channels_and_layers(small_runs, monkeypatch):
    whole = channel_map(small_runs.capture, LANGUAGE, "absmax")
    monkeypatch.setattr(maps, "MOST_LAYERS", 2)
    monkeypatch.setattr(maps, "MOST_CELLS", 4 * 2 * 5)
    few = channel_map(small_runs.capture, LANGUAGE, "absmax")
    assert few["channels"].max() == 7 and few["layers"].tolist().count(2) == 4 * 5 and len(few) == 2 * 4 * 5
    keys = ["modality", whole["row"] // 2, whole["channel"] // 7 * 7]
    expected = whole.groupby(keys)["value"].max().to_numpy()
    found = few.sort_values(["modality", "row", "first_channel"])["value"].to_numpy()
    np.testing.assert_array_equal(found, expected)
    assert few["value"].max() == whole["value"].max()
    with pytest.raises(UnknownNameError, match="unknown measure 'absmx'"):
        channel_map(small_runs.capture, LANGUAGE, "absmx")


def test_planted_outliers_last_and_belong_to_their_modalities(small_runs, monkeypatch):
    frame = lasting_channels(small_runs.capture, LANGUAGE)
    masks = outlier_masks(small_runs.capture, replace(LANGUAGE, role="q_proj"))
    for row in frame.itertuples():
        own = masks[masks["modality"] == row.modality]["channels"]
        assert row.outlier == sum(row.channel in masked_channels(text) for text in own) and row.inputs == 3
        assert row.share_percent == pytest.approx(100 * row.outlier / 3) and row.lasting == (row.outlier > 0)
    owners = frame.drop_duplicates("channel").set_index("channel")["owners"]
    # Audio alone has channel 7; channel 2 is planted in text and image.
    assert owners[7] == "audio" and owners[2] == "text image"
    assert all(channel in OUTLIERS[Modality(name)] for channel in (2, 7) for name in owners[channel].split())
    monkeypatch.setattr(lasting, "LASTING_PERCENT", 100.1)
    assert not lasting_channels(small_runs.capture, LANGUAGE)["lasting"].any()


def test_exact_sets_of_modalities_are_counted_once_each(small_runs):
    frame = mask_sets(small_runs.capture, LANGUAGE)
    masks = outlier_masks(small_runs.capture, LANGUAGE)
    cells: dict[tuple, list[str]] = {}
    for row in masks.itertuples():
        for channel in masked_channels(row.channels):
            cells.setdefault((row.layer, channel), []).append(row.modality)
    expected = pd.Series([" ".join(found) for found in cells.values()]).value_counts()
    assert frame.set_index("modalities")["count"].to_dict() == expected.to_dict()
    assert frame["count"].is_monotonic_decreasing and frame["share_percent"].sum() == pytest.approx(100)
    assert set(frame["inputs"]) == {6} and set(frame["names"]) == {"text image audio video"}
    for name in ("text", "audio"):
        held = frame.loc[[name in found.split() for found in frame["modalities"]], "count"].sum()
        assert held == masks.loc[masks["modality"] == name, "masked"].sum()
    # The tower is reached by pictures alone: of the whole model it is left out, by itself it is counted.
    assert mask_sets(small_runs.capture, replace(LANGUAGE, component=None))["count"].sum() == frame["count"].sum()
    seen = replace(LANGUAGE, component="vision", modalities=(Modality.IMAGE, Modality.VIDEO))
    assert set(mask_sets(small_runs.capture, seen)["inputs"]) == {4}
    with pytest.raises(StoreError, match="needs two modalities"):
        mask_sets(small_runs.capture, replace(LANGUAGE, modalities=(Modality.TEXT,)))


def test_lasting_channels_are_counted_by_their_owners(small_runs):
    frame = mask_sets(small_runs.capture, LANGUAGE, lasting=True)
    owners = lasting_channels(small_runs.capture, LANGUAGE).drop_duplicates("channel")["owners"]
    assert frame.set_index("modalities")["count"].to_dict() == owners[owners != ""].value_counts().to_dict()
    assert set(frame["inputs"]) == {3}
