"""NaN, infinities, denormals, constant channels, modalities of one token, batches of padding: defined, counted, shown.

What each statistic is then is written in docs/edge_values.md.
"""

from pathlib import Path

import numpy as np
import pytest
from fixtures.every_method import EVERY
from fixtures.odd_runs import CONSTANT, DENORMAL, INFINITE, NAN, NORMAL, UP, ZERO, batches, captured
from fixtures.small_loaded import small_loaded
from streamlit.testing.v1 import AppTest

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Part, Sample
from morphoquant.findings.base import findings
from morphoquant.findings.gather import gather
from morphoquant.methods.options import parse_method
from morphoquant.runs.capture import capture
from morphoquant.store.run_store import RunStore


def rows_of(run, modality: str, channel: int):
    stats = run.frame("channel_stats", where={"group": UP, "modality": modality, "channel": channel})
    return stats[stats["position"] == "rest"].iloc[0]


def test_every_kind_of_value_is_counted_and_nothing_of_padding(odd_runs):
    odd = odd_runs.odd
    tokens = odd.frame("tokens").groupby("modality")["count"].sum()
    assert tokens.to_dict() == {"text": 74, "special": 2, "image": 1, "audio": 3}
    assert set(odd.frame("tokens")["sample"]) == {0, 1}
    assert odd.frame("channel_stats")["max"].max() < 1e3
    alone = rows_of(odd, "image", NORMAL)
    assert alone["count"] == 1 and alone["min"] == alone["max"] == pytest.approx(alone["mean"]) and alone["m2"] == 0
    nan, infinite = rows_of(odd, "image", NAN), rows_of(odd, "audio", INFINITE)
    assert (nan["count"], nan["nan_count"], nan["inf_count"]) == (1, 1, 0)
    assert (infinite["count"], infinite["nan_count"], infinite["inf_count"]) == (3, 0, 3)
    for row in (nan, infinite):
        assert row[["min", "max", "mean", "m2", "m3", "m4", "sum_abs"]].isna().all(), "no value is no number"
    constant, tiny, zero = (rows_of(odd, "text", channel) for channel in (CONSTANT, DENORMAL, ZERO))
    assert constant["min"] == constant["max"] == np.float32(0.1) and constant["m2"] < 1e-28
    assert tiny["min"] == tiny["max"] == np.float32(1e-41) > 0, "exact, and not flushed to zero"
    assert zero["min"] == zero["max"] == zero["sum_abs"] == 0


def test_histograms_hold_every_finite_value(odd_runs):
    stats = odd_runs.odd.frame("channel_stats", where={"group": UP}).set_index(["modality", "position", "channel"])
    counts = odd_runs.odd.frame("histograms", where={"group": UP}).set_index(["modality", "position", "channel"])["counts"]
    finite = stats["count"] - stats["nan_count"] - stats["inf_count"]
    counted = counts.map(lambda found: int(found.sum())).reindex(finite.index, fill_value=0)
    assert counted.tolist() == finite.tolist()
    assert finite["image", "rest", NAN] == 0 and finite["image", "rest", DENORMAL] == 1


def test_a_batch_of_padding_changes_nothing_and_padding_alone_is_refused(odd_runs, tmp_path):
    without = captured(odd_runs.model, RunStore(tmp_path), *batches(finite=True)[:2])
    for name in ("channel_stats", "histograms", "token_sample", "tokens"):
        assert without.table(name).equals(odd_runs.finite.table(name)), name
    with pytest.raises(MorphoQuantError, match="no token"):
        captured(odd_runs.model, RunStore(tmp_path), batches()[2])


def test_the_shortest_media_are_a_token_or_more(tmp_path):
    """One number of sound, one pixel, one frame; what has no length at all is no part of a sample (tests/data)."""
    loaded = small_loaded()
    media = (
        Part(Modality.AUDIO, np.full(1, 0.5, np.float32)),
        Part(Modality.IMAGE, np.zeros((1, 1, 3), np.uint8)),
        Part(Modality.VIDEO, np.zeros((1, 1, 1, 3), np.uint8)),
    )
    given = [loaded.encode([Sample(str(place), "short", (part,))]) for place, part in enumerate(media)]
    run = capture(loaded.model, given, store=tmp_path, identity=loaded.identity, control=loaded.control, keep_rows=4)
    tokens = run.frame("tokens").groupby("modality")["count"].sum()
    assert tokens["audio"] == 1 and tokens["image"] >= 1 and tokens["video"] >= 1
    stats = run.frame("channel_stats")
    assert not stats[["nan_count", "inf_count"]].any(axis=None) and np.isfinite(stats["m4"]).all()


def test_values_that_are_not_finite_are_told_on_the_first_page(odd_runs):
    told = findings(gather(odd_runs.store, odd_runs.odd, None))
    (bad,) = [one for one in told if one.rule == "not_finite"]
    assert "NaN or infinite" in bad.sentence and bad.numbers["values"] >= 4
    fewest = {one.modality: one.numbers["fewest_tokens"] for one in told if one.rule == "few_tokens"}
    assert fewest["image"] == 1 and fewest["audio"] == 3
    still = {one.modality: one.numbers["most"] for one in told if one.rule == "constant_channels"}
    assert set(still) == {"text", "audio"} and still["text"] == 3, "constant, zero, denormal; nothing of a single token"


@pytest.fixture(scope="module")
def on_finite(odd_runs):
    return odd_runs.quantised(odd_runs.finite, *EVERY)


@pytest.fixture(scope="module")
def on_odd(odd_runs):
    return odd_runs.quantised(odd_runs.odd, *EVERY)


@pytest.mark.parametrize("text", EVERY)
def test_every_method_is_fitted_to_odd_channels_and_errors_are_numbers(on_finite, text):
    runs, failures = on_finite
    assert not failures
    run = runs[text]
    errors = run.frame("errors")
    assert set(errors["modality"]) == {"text", "special", "image", "audio"}
    numbers = errors[["signal_sq", "error_sq", "cosine_sum", "cosine_min"]].to_numpy(float)
    assert np.isfinite(numbers).all() and (errors["signal_sq"] > 0).all()
    if run.has("grids"):
        grids = run.frame("grids")
        assert np.isfinite(grids[["low", "high", "step", "zero_point"]].to_numpy()).all() and (grids["step"] > 0).all()
        use = run.frame("grid_use", where={"group": UP}).groupby("channel")[["signal_sq", "clip_sq", "round_sq"]].sum()
        assert np.isfinite(use.to_numpy()).all()
        if not getattr(parse_method(text.partition("@")[0]), "mixes", False):
            assert not use.loc[ZERO].any(), "nothing is made of nothing"


@pytest.mark.parametrize("text", EVERY)
def test_what_is_fitted_to_values_that_are_not_finite_is_finite_or_refused(on_odd, text):
    runs, failures = on_odd
    if text in runs:
        assert np.isfinite(runs[text].frame("errors")[["error_sq", "cosine_sum"]].to_numpy(float)).all()
    else:
        said = {(one.method, one.spec): one.reason for one in failures}
        method, spec = parse_method(text.partition("@")[0]), text.partition("@")[2]
        assert "NaN or infinite" in said[method.name, spec] and "\n" not in said[method.name, spec]


@pytest.mark.slow
def test_every_page_shows_them(odd_runs, monkeypatch):
    root = Path(__file__).parents[2]
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(odd_runs.store.cache))
    monkeypatch.chdir(root)
    app = AppTest.from_file(root / "app.py", default_timeout=60).run()
    app.query_params["capture"] = odd_runs.odd.run_id
    app.run()
    told = " ".join(element.value for element in app.markdown)
    assert not app.exception and "are NaN or infinite" in told.replace("\\", "")
    for page in sorted((root / "pages").glob("*.py")):
        app.switch_page(f"pages/{page.name}").run()
        assert not app.exception, page.name
        if page.stem in ("distribution", "masks"):
            assert not app.error and app.get("plotly_chart"), page.name
