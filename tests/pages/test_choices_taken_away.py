"""Bits by layer group on the Sensitivity page, and a run's recipe on the page Take away."""

from pathlib import Path

import yaml
from streamlit.testing.v1 import AppTest

from morphoquant.queries.allocation import allocate, choices

ROOT = Path(__file__).parents[2]


def at(page: str, runs, monkeypatch) -> AppTest:
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(runs.store.cache))
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    app.switch_page(f"pages/{page}.py")
    return app.run()


def said(app: AppTest) -> str:
    return " ".join(one.value for kind in (app.markdown, app.caption, app.code) for one in kind).replace("\\", "")


def test_a_budget_is_chosen_and_what_measures_it_is_said(answer_runs, monkeypatch):
    app = at("sensitivity", answer_runs, monkeypatch)
    app.number_input(key="allocation_bits").set_value(7.0)
    app.button(key="choose_bits").click().run()
    assert not app.exception and not app.error
    found = allocate(choices(answer_runs.store, answer_runs.sensitivity), "activations", 7.0)
    kept = sum(spec == "w16a16" for spec in found.specs.values())
    assert f"{kept} groups at **w16a16**" in said(app) and "evaluate small --scope language vision --allocation" in said(app)
    app.number_input(key="allocation_bits").set_value(2.0)
    app.button(key="choose_bits").click().run()
    assert "out of reach" in said(app) and "w16a16**" not in said(app)


def test_a_recipe_is_shown_or_refused(small_runs, monkeypatch):
    app = at("take_away", small_runs, monkeypatch)
    # It opens on the newest run that can be one, which is not the newest run.
    assert app.selectbox(key="recipe_run").value == small_runs.dynamic.run_id != app.selectbox(key="recipe_run").options[0]
    assert not app.exception and not app.error
    shown = next(yaml.safe_load(one.value) for one in app.code if one.language == "yaml")
    assert list(shown["default_stage"]["default_modifiers"]) == ["QuantizationModifier"]
    app.selectbox(key="recipe_run").set_value(small_runs.searched.run_id).run()
    assert not app.exception and "simulated here only" in said(app) and "stay in full precision" in said(app)
