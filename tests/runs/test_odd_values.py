"""NaN, infinities, denormals, constant channels, modalities of one token, batches of padding: defined, counted, shown."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fixtures.pairs import pairs
from fixtures.tiny_omni import AUDIO, CONTROL, IMAGE, START
from streamlit.testing.v1 import AppTest
from torch import nn

import morphoquant
from morphoquant.core.errors import MorphoQuantError
from morphoquant.findings.base import findings
from morphoquant.findings.gather import gather
from morphoquant.runs.identity import model_identity
from morphoquant.store.run_store import RunStore

UP = "model.language_model.layers.0.mlp.up_proj"
NORMAL, CONSTANT, ZERO, DENORMAL, NAN, INFINITE, CHANNELS = 0, 1, 2, 3, 4, 5, 8
METHODS = ["rtn", "rtn:grid=range", "dabc", "mdqfo", "morphoquant", "smoothquant", "quarot", "awq", "gptq", "llm_int8"]


class Fed(nn.Module):
    """Two linears in the places that a decoder has them, fed with given rows."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.config = SimpleNamespace(image_token_id=IMAGE, audio_token_id=AUDIO)
        self.model = nn.Module()
        self.model.language_model = nn.Module()
        block = nn.Module()
        block.mlp = nn.Module()
        block.mlp.up_proj, block.mlp.down_proj = nn.Linear(CHANNELS, 16), nn.Linear(16, CHANNELS)
        self.model.language_model.layers = nn.ModuleList([block])

    def forward(self, input_ids, rows, attention_mask=None):
        mlp = self.model.language_model.layers[0].mlp
        return mlp.down_proj(mlp.up_proj(rows).relu())


def batch(seed: int, ids: list[int], finite: bool, padded: int = 0) -> dict:
    """Rows with one odd channel of each kind; the image's are NaN and the first of the sound's infinite unless `finite`."""
    rows = torch.randn(1, len(ids), CHANNELS, generator=torch.Generator().manual_seed(seed))
    rows[..., CONSTANT], rows[..., ZERO], rows[..., DENORMAL] = 3.0, 0.0, 1e-41
    ids = torch.tensor([ids])
    if not finite:
        rows[..., NAN][ids == IMAGE] = torch.nan
        rows[..., INFINITE][ids == AUDIO] = -torch.inf
    mask = torch.ones_like(ids)
    mask[:, len(mask[0]) - padded :] = 0
    rows[mask == 0] = 1e4  # what stands in padding must count nowhere
    return {"input_ids": ids, "attention_mask": mask, "rows": rows}


def batches(finite: bool = False) -> list[dict]:
    """Text, one token of an image, three of a sound, some padding, and one batch of nothing but padding."""
    words = list(range(3, 40))
    return [
        batch(0, [START, *words, IMAGE], finite),
        batch(1, [START, *words, AUDIO, AUDIO, AUDIO, 3, 3], finite, padded=2),
        batch(2, [START, *words], finite, padded=38),
    ]


@pytest.fixture(scope="module")
def model():
    return Fed().eval()


def captured(model, cache, *given, **options):
    options = {"control": CONTROL, "keep_rows": 8, **options}
    return morphoquant.capture(model, list(given), store=cache, identity=model_identity(model), **options)


@pytest.fixture(scope="module")
def odd(model, tmp_path_factory):
    return captured(model, tmp_path_factory.mktemp("odd"), *batches())


@pytest.fixture(scope="module")
def finite(model, tmp_path_factory):
    return captured(model, tmp_path_factory.mktemp("finite"), *batches(finite=True))


def rows_of(run, modality: str, channel: int):
    stats = run.frame("channel_stats", where={"group": UP, "modality": modality, "channel": channel})
    return stats[stats["position"] == "rest"].iloc[0]


def test_every_kind_of_value_is_counted_and_nothing_of_padding(odd):
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
    assert constant["min"] == constant["max"] == constant["mean"] == 3 and constant["m2"] == constant["m4"] == 0
    assert tiny["min"] == tiny["max"] == np.float32(1e-41) > 0, "exact, and not flushed to zero"
    assert zero["min"] == zero["max"] == zero["sum_abs"] == 0


def test_histograms_hold_every_finite_value(odd):
    stats = odd.frame("channel_stats", where={"group": UP}).set_index(["modality", "position", "channel"])
    counts = odd.frame("histograms", where={"group": UP}).set_index(["modality", "position", "channel"])["counts"]
    finite = stats["count"] - stats["nan_count"] - stats["inf_count"]
    counted = counts.map(lambda found: int(found.sum())).reindex(finite.index, fill_value=0)
    assert counted.tolist() == finite.tolist()
    assert finite["image", "rest", NAN] == 0 and finite["image", "rest", DENORMAL] == 1


def test_a_batch_of_padding_changes_nothing_and_padding_alone_is_refused(model, finite, tmp_path):
    without = captured(model, tmp_path, *batches(finite=True)[:2])
    for name in ("channel_stats", "histograms", "token_sample", "tokens"):
        assert without.table(name).equals(finite.table(name)), name
    with pytest.raises(MorphoQuantError, match="no token"):
        captured(model, tmp_path, batches()[2])


def test_values_that_are_not_finite_are_told_on_the_first_page(odd):
    told = {one.rule: one for one in findings(gather(RunStore(odd.folder.parents[1]), odd, None))}
    assert "NaN or infinite" in told["not_finite"].sentence and told["not_finite"].numbers["values"] >= 4


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_fitted_to_odd_channels_and_errors_are_numbers(model, finite, method):
    store = RunStore(finite.folder.parents[1])
    spec = "w4a4-token" if method in ("llm_int8", "quarot", "smoothquant") else "w4a4"
    data = {"id": "odd", "fingerprint": "x", "samples": 3}
    (run,) = morphoquant.quantize(
        model,
        finite,
        batches(finite=True),
        pairs(f"{method}@{spec}"),
        store=store,
        identity=model_identity(model),
        data=data,
        control=CONTROL,
    )
    errors = run.frame("errors")
    assert set(errors["modality"]) == {"text", "special", "image", "audio"}
    numbers = errors[["signal_sq", "error_sq", "cosine_sum", "cosine_min"]].to_numpy(float)
    assert np.isfinite(numbers).all() and (errors["signal_sq"] > 0).all()
    if run.has("grids"):
        grids = run.frame("grids")
        assert np.isfinite(grids[["low", "high", "step", "zero_point"]].to_numpy()).all() and (grids["step"] > 0).all()
        use = run.frame("grid_use", where={"group": UP}).groupby("channel")[["signal_sq", "clip_sq", "round_sq"]].sum()
        assert np.isfinite(use.to_numpy()).all() and (use.loc[ZERO] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_fitted_to_values_that_are_not_finite_is_finite_or_refused(model, odd, method):
    store = RunStore(odd.folder.parents[1])
    spec = "w4a4-token" if method in ("llm_int8", "quarot", "smoothquant") else "w4a4"
    data = {"id": "odd", "fingerprint": "x", "samples": 3}
    told = {"store": store, "identity": model_identity(model), "data": data, "control": CONTROL}
    try:
        (run,) = morphoquant.quantize(model, odd, batches(finite=True), pairs(f"{method}@{spec}"), **told)
    except MorphoQuantError as error:
        assert "NaN or infinite" in str(error) and "\n" not in str(error)
    else:
        assert np.isfinite(run.frame("errors")[["error_sq", "cosine_sum"]].to_numpy(float)).all()


@pytest.mark.slow
def test_every_page_shows_them(odd, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(odd.folder.parents[1]))
    app = AppTest.from_file(Path(__file__).parents[2] / "app.py", default_timeout=60).run()
    told = " ".join(element.value for element in app.markdown)
    assert not app.exception and "are NaN or infinite" in told.replace("\\", "")
    for page in ("distribution", "masks"):
        app.switch_page(f"pages/{page}.py").run()
        assert not app.exception and not app.error and app.get("plotly_chart"), page
