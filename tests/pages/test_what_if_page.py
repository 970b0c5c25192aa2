"""The What if page: sliders, links, sentences where nothing can be predicted, and the way to a measurement."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.other_captures import every_second_token, recaptured
from fixtures.small_runs import SmallRuns
from streamlit.testing.v1 import AppTest

from morphoquant.cli import parser
from morphoquant.core.what_if import WhatIf
from morphoquant.queries.what_if_runs import method_of, spec_text
from morphoquant.store.run_store import RunStore
from morphoquant.store.ship import ship
from morphoquant.ui import jobs

ROOT = Path(__file__).parents[2]
LAYER = "model.language_model.layers.2.self_attn.q_proj"
DOWN = "model.language_model.layers.1.mlp.down_proj"


@pytest.fixture
def cache(small_runs: SmallRuns, tmp_path, monkeypatch) -> Path:
    """A copy of the small runs that a test may change."""
    shutil.copytree(small_runs.store.cache, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return tmp_path


def opened(**query) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    app.switch_page("pages/what_if.py")
    app.query_params.update({name.replace("__", "."): value for name, value in query.items()})
    app = app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return " ".join(element.value for kind in (app.error, app.markdown, app.caption, app.code) for element in kind).replace(
        "\\", ""
    )


def charts(app: AppTest) -> int:
    return len(app.get("plotly_chart"))


def value_of(app: AppTest) -> float:
    return float(app.metric[0].value.removesuffix(" dB"))


def setting(app: AppTest, kind: str, name: str):
    return getattr(app, kind)(key=f"morphoquant.widget.what_if.{name}")


def measured(cache: Path, small_runs: SmallRuns, settings: WhatIf) -> str:
    """A finished run of `settings`, with what the run of RTN measured."""
    like, (name, fields) = small_runs.rtn4, method_of(settings)
    plan = replace(like.plan, method=name, fields=fields, spec=spec_text(settings, 4))
    with RunStore(cache).writer(plan) as writer:
        writer.finish({table: [like.table(table)] for table in like.header.tables}, {})
    return plan.run_id


def test_a_layer_is_predicted_at_once_and_bits_raise_it(cache):
    app = opened(layer=LAYER)
    assert not app.error and [title.value for title in app.title] == ["What would other bits, ranges or a bypass do?"]
    assert len(app.metric) == 4 and charts(app) == 3
    before = value_of(app)
    setting(app, "select_slider", "bits").set_value(8).run()
    assert not app.exception and value_of(app) > before + 15
    assert app.query_params["whatif.bits"] in ("8", ["8"])
    app.button(key="what_if_reset").click().run()
    assert value_of(app) == before and "whatif.bits" not in app.query_params


def test_a_link_restores_every_setting_and_it_stays_on_the_next_page(cache):
    app = opened(
        layer=LAYER,
        whatif__bits="3",
        whatif__search="yes",
        whatif__p="0.5",
        whatif__bypass="yes",
        whatif__sigma="1.5",
        whatif__lam="3.5",
    )
    assert setting(app, "select_slider", "bits").value == 3
    assert setting(app, "slider", "p").value == 0.5 and setting(app, "slider", "sigma").value == 1.5
    assert setting(app, "slider", "lam").value == 3.5
    assert "channels are outliers" in said(app) and "The search chose clip ratios" in said(app)
    app.switch_page("pages/distribution.py").run()
    app.switch_page("pages/what_if.py").run()
    assert setting(app, "slider", "sigma").value == 1.5


def test_only_the_controls_that_do_something_are_there(cache):
    app = opened(layer=LAYER)
    assert {slider.label for slider in app.slider} == {"Clip ratio"}
    setting(app, "toggle", "search").set_value(True).run()
    assert {slider.label for slider in app.slider} == {"Smallest ratio tried", "Exponent p of the error", "Cosine weight"}
    setting(app, "toggle", "bypass").set_value(True).run()
    assert {"Outlier sigma", "Bypass threshold"} <= {slider.label for slider in app.slider}


def test_sigma_and_threshold_change_what_bypasses(cache):
    app = opened(layer=LAYER, whatif__bypass="yes")
    before = said(app)
    setting(app, "slider", "sigma").set_value(0.5).run()
    assert not app.exception and said(app) != before
    whole = value_of(app)
    setting(app, "slider", "lam").set_value(0.0).run()
    assert not app.exception and value_of(app) > whole


@pytest.mark.parametrize(
    ("query", "sentence", "runs"),
    [
        ({"whatif__granularity": "token"}, "this capture keeps no tokens", True),
        ({"whatif__granularity": "tensor", "whatif__bypass": "yes"}, "choose the granularity channel", False),
        ({"whatif__bypass": "yes", "whatif__clip": "0.5"}, "set the clip ratio to 1, which is dabc", False),
    ],
)
def test_a_setting_that_cannot_be_honoured_is_one_sentence(cache, query, sentence, runs):
    app = opened(layer=LAYER, **query)
    assert not app.error and sentence in said(app)
    assert ("what_if_start" in [button.key for button in app.button]) == runs


def test_a_link_with_an_impossible_setting_is_one_sentence(cache):
    app = opened(whatif__bits="77")
    assert len(app.error) == 1 and "allowed are values from 2 to 8" in app.error[0].value.replace("\\", "")
    app.button(key="clear_address").click().run()
    assert not app.exception and not app.error and charts(app) == 3


def test_a_layer_without_histograms_says_which_have_them(small_runs, tmp_path, monkeypatch):
    ship(small_runs.capture, tmp_path / "stored", {LAYER})
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    app = opened(layer=DOWN)
    assert f"choose one of {LAYER}" in said(app) and charts(app) == 0
    # Without a choice the page takes a layer that it can show, and tells how many there are.
    app = opened(all_layers="1", whatif__search="yes")
    assert charts(app) == 4 and "keeps histograms of 1 layer inputs" in said(app)
    assert "This capture ships without the tokens that the search" in said(app)


def test_an_empty_cache_offers_the_demo(tmp_path, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    app = opened()
    assert not app.error and "python -m morphoquant demo" in said(app)


def test_one_range_a_token_is_predicted_from_kept_tokens(small_runs, tmp_path, monkeypatch):
    recaptured(small_runs, tmp_path, token_sample=every_second_token(LAYER))
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    app = opened(layer=LAYER, whatif__granularity="token")
    assert not app.error and len(app.metric) == 4 and charts(app) == 1
    assert "kept tokens, each of which stands for many" in said(app)
    before = value_of(app)
    setting(app, "select_slider", "bits").set_value(6).run()
    assert value_of(app) > before + 5


def test_every_layer_is_predicted_when_asked_for(cache):
    app = opened(layer=LAYER)
    app.toggle(key="morphoquant.widget.all_layers").set_value(True).run()
    assert not app.exception and charts(app) == 4
    assert app.query_params["all_layers"] in ("1", ["1"])


def test_what_a_run_has_measured_stands_beside(cache, small_runs):
    app = opened(layer=LAYER)
    assert "No run of this very setting" in said(app) and "not measured yet" in said(app)
    run_id = measured(cache, small_runs, WhatIf())
    app = opened(layer=LAYER, all_layers="1")
    assert f"Measured by run {run_id}" in said(app) and "predicted; measured" in said(app)
    assert f"Against run {run_id}" in said(app)
    app.button(key="what_if_open").click().run()
    assert not app.exception and app.title[0].value == "Which layers does quantisation hurt, and for which modality?"


def test_the_button_starts_the_very_setting_as_a_job(cache, small_runs):
    # Only captures that keep tokens can be fitted to; the small one keeps none, and plain rounding needs none.
    app = opened(layer=LAYER, whatif__bits="3", whatif__clip="0.8", whatif__granularity="tensor")
    app.button(key="what_if_start").click().run()
    assert not app.exception
    job = jobs.list_jobs(cache)[0]
    try:
        args = parser().parse_args(list(job.argv[3:]))
        assert (args.verb, args.capture_run) == ("quantize", small_runs.capture.run_id)
        assert args.method == ["rtn:grid=range,clip=0.8"] and args.spec == ["w4a3-tensor"]
        assert f"Job {job.job_id}" in said(app)
    finally:
        jobs.cancel(job.job_id, cache)
