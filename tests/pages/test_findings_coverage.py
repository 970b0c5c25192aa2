"""A capture that held no audio: the first thing that the overview and the command line say."""

import json
from pathlib import Path

import pytest
from fixtures.deaf_runs import build_deaf_runs
from streamlit.testing.v1 import AppTest

from morphoquant.cli import main
from morphoquant.core.modality import Modality

ROOT = Path(__file__).parents[2]


@pytest.fixture
def deaf(small_runs, tmp_path):
    return build_deaf_runs(small_runs, tmp_path)


def _sentence(small_runs) -> str:
    tokens = small_runs.rtn4.frame("tokens", where={"modality": str(Modality.AUDIO)})["count"].sum()
    return (
        f"No audio token was captured, and rtn w4a4 was measured on {tokens:,} of them: every range it uses on audio was set "
        "without audio."
    )


def test_the_page_says_it_first(deaf, small_runs, monkeypatch):
    store, capture, run = deaf
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(store.cache))
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not app.exception
    said = [element.value.replace("\\", "").replace("\u00a0", " ") for element in app.markdown]
    rows = [text for text in said if text.startswith((":red[**not known**]", "**loses**", "**cause**", "**beware**"))]
    assert rows[0].startswith(":red[**not known**]") and _sentence(small_runs) in rows[0]


def test_the_command_line_says_it_first(deaf, small_runs, capsys):
    store, capture, run = deaf
    assert main(["findings", run.run_id, "--json", "--cache", str(store.cache)]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["rule"], first["severity"], first["sentence"]) == ("absent_modality", "blind", _sentence(small_runs))
    assert first["runs"] == [capture.run_id, run.run_id]
