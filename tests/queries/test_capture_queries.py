"""Questions put to a capture run: numbers checked against the rows that the run was made of."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.small_model import HIDDEN, OUTLIERS, TOKENS, inputs_of, linears

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.modality import CONTENT, POSITIONS, Modality, Position, slot
from morphoquant.core.selection import Selection
from morphoquant.queries.depth import DEPTH_MEASURES, depth_profile
from morphoquant.queries.histograms import magnitude_histogram, signed_density
from morphoquant.queries.layers import all_layers, groups
from morphoquant.queries.masks import mask_overlap, masked_channels, outlier_masks
from morphoquant.queries.ranges import channel_ranges
from morphoquant.queries.tokens import tokens_by_modality
from morphoquant.queries.worst import worst_layer, worst_layers

LANGUAGE = Selection(component="language", modalities=CONTENT)
Q2 = "model.language_model.layers.2.self_attn.q_proj"


def rows_of(name: str, modality: Modality, *positions: Position) -> np.ndarray:
    x, slots = inputs_of(next(linear for linear in linears() if linear.name == name))
    return x[np.isin(slots, [slot(modality, position) for position in positions])]


def test_tokens_are_counted_by_modality_and_position(small_runs):
    both = tokens_by_modality(small_runs.capture, Selection(positions=POSITIONS))
    assert both.groupby("modality")["tokens"].sum().to_dict() == {str(m): n for m, n in TOKENS.items()}
    assert both["share_percent"].sum() == pytest.approx(100.0)
    rest = tokens_by_modality(small_runs.capture, Selection(modalities=(Modality.TEXT,)))
    assert rest[["modality", "tokens"]].values.tolist() == [["text", TOKENS[Modality.TEXT] - 4]]


def test_groups_are_named_by_their_first_linear_and_labels_are_unique(small_runs):
    assert all_layers(small_runs.capture)["label"].is_unique
    by_k = groups(small_runs.capture, Selection(role="k_proj"))
    assert set(by_k["role"]) == {"q_proj"} and len(by_k) == 3


@pytest.mark.parametrize("positions", [(Position.REST,), POSITIONS])
def test_depth_measures_follow_from_the_rows(small_runs, positions):
    x = rows_of(Q2, Modality.TEXT, *positions).astype(float)
    absmax = np.abs(x).max(0)
    values = x.ravel() - x.mean()
    expected = {
        "absmax": absmax.max(),
        "max_median_ratio": absmax.max() / np.median(absmax),
        "kurtosis": (values**4).mean() / (values**2).mean() ** 2,
        "dispersion_max": ((x.max(0) - x.min(0)) / np.log1p(np.abs(x).mean(0) + 1e-5)).max(),
    }
    for measure, value in expected.items():
        frame = depth_profile(small_runs.capture, replace(LANGUAGE, positions=positions), measure)
        row = frame[(frame["layer"] == Q2) & (frame["modality"] == "text")].iloc[0]
        assert row["value"] == pytest.approx(value, rel=1e-5), measure
        assert row["channel"] == absmax.argmax() and row["tokens"] == len(x)


def test_absent_modality_has_no_row(small_runs):
    for measure in DEPTH_MEASURES:
        frame = depth_profile(small_runs.capture, Selection(component="vision"), measure)
        assert set(frame["modality"]) == {"image", "video"} and np.isfinite(frame["value"]).all()


def test_unknown_names_are_answered_with_the_known_ones(small_runs):
    with pytest.raises(UnknownNameError, match="did you mean 'kurtosis'"):
        depth_profile(small_runs.capture, LANGUAGE, "kurtosi")
    with pytest.raises(UnknownNameError, match="q_proj"):
        channel_ranges(small_runs.capture, LANGUAGE, "model.language_model.layers.2.self_attn.q_pro")
    with pytest.raises(StoreError, match="no layer in 'audio'"):
        depth_profile(small_runs.capture, Selection(component="audio"), "absmax")
    with pytest.raises(StoreError, match="no token matches"):
        depth_profile(small_runs.capture, Selection(modalities=(Modality.UNKNOWN,)), "absmax")


def test_worst_layers_are_ranked_by_their_worst_modality(small_runs):
    frame = worst_layers(small_runs.capture, LANGUAGE, "max_median_ratio", count=2)
    tops = frame[frame["worst"]].sort_values("rank")["value"].tolist()
    assert frame["layer"].nunique() == 2 and tops == sorted(tops, reverse=True)
    assert frame["layer"].iat[0] == worst_layer(small_runs.capture, LANGUAGE) == worst_layer(small_runs.capture, LANGUAGE, True)


def test_channel_ranges_are_exact_and_down_sampled_by_extremes(small_runs):
    x = rows_of(Q2, Modality.IMAGE, Position.REST)
    full = channel_ranges(small_runs.capture, LANGUAGE, Q2)
    image = full[full["modality"] == "image"]
    np.testing.assert_array_equal(image["max"], x.max(0))
    np.testing.assert_array_equal(image["min"], x.min(0))
    coarse = channel_ranges(small_runs.capture, LANGUAGE, Q2, points=10)
    coarse = coarse[coarse["modality"] == "image"]
    assert len(coarse) <= 10 and coarse["channels"].sum() == HIDDEN
    assert coarse["absmax"].max() == np.abs(x).max() and np.abs(x).max(0).argmax() in set(coarse["channel"])


def test_masks_follow_the_rule_and_find_planted_channels(small_runs):
    masks = outlier_masks(small_runs.capture, LANGUAGE).set_index(["layer", "modality"])
    for modality in CONTENT:
        found = masked_channels(masks.loc[(Q2, str(modality)), "channels"])
        x = rows_of(Q2, modality, Position.REST).astype(float)
        score = (x.max(0) - x.min(0)) / np.log1p(np.abs(x).mean(0) + 1e-5)
        assert found.tolist() == np.flatnonzero(score >= score.mean() + 2 * score.std(ddof=1)).tolist()
        assert OUTLIERS[modality][0] in found
        assert masks.loc[(Q2, str(modality)), "masked"] == len(found)


def test_overlap_is_the_jaccard_index_pooled_by_counts(small_runs):
    frame = mask_overlap(small_runs.capture, LANGUAGE)
    pair = frame[(frame["modality"] == "text") & (frame["other"] == "image")]
    layers, pooled = pair[pair["layer"].notna()], pair[pair["layer"].isna()].iloc[0]
    assert (layers["jaccard"] == layers["both"] / layers["either"]).all()
    assert pooled["jaccard"] == pytest.approx(layers["both"].sum() / layers["either"].sum())
    masks = outlier_masks(small_runs.capture, LANGUAGE).set_index(["layer", "modality"])["channels"]
    text, image = (set(masked_channels(masks[(Q2, name)])) for name in ("text", "image"))
    assert layers.set_index("layer").loc[Q2, "jaccard"] == len(text & image) / len(text | image)
    with pytest.raises(StoreError, match="two modalities"):
        mask_overlap(small_runs.capture, replace(LANGUAGE, modalities=(Modality.TEXT,)))


def test_magnitude_histogram_counts_every_value_once(small_runs):
    frame = magnitude_histogram(small_runs.capture, LANGUAGE, Q2, channel=2)
    x = np.abs(rows_of(Q2, Modality.IMAGE, Position.REST)[:, 2])
    image = frame[frame["modality"] == "image"]
    assert image["values"].sum() == len(x)
    for row in image.itertuples():
        assert row.values == ((x >= row.low) & (x < row.high)).sum()
        assert row.above_percent == pytest.approx(100 * (x >= row.low).mean())
        assert row.per_octave_percent == pytest.approx(100 * row.values / len(x) / np.log2(row.high / row.low))


def test_signed_density_integrates_to_one_and_keeps_the_sign(small_runs):
    frame = signed_density(small_runs.capture, LANGUAGE, Q2)
    areas = (frame["density"] * (frame["high"] - frame["low"])).groupby(frame["modality"]).sum()
    assert areas.tolist() == pytest.approx([1.0] * 4)
    x = rows_of(Q2, Modality.TEXT, Position.REST)
    text = frame[frame["modality"] == "text"]
    assert text.loc[text["high"] <= 0, "values"].sum() == (x < 0).sum()
    assert not ((frame["low"] < 0) & (frame["high"] > 0)).any()


def test_histogram_of_a_missing_channel_says_what_there_is(small_runs):
    with pytest.raises(StoreError, match="allowed are 0 to 31"):
        magnitude_histogram(small_runs.capture, LANGUAGE, Q2, channel=99)
