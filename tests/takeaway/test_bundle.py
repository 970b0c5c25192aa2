"""The paper bundle: what is in it, that it compiles, that its commands make the same figures again, whole or not at all."""

import io
import json
import re
import shlex
import shutil
import subprocess
import zipfile
from dataclasses import replace

import pandas as pd
import pytest
from pypdf import PdfReader

from morphoquant.cli import main, parser
from morphoquant.commands.selecting import selected
from morphoquant.core.errors import MorphoQuantError, StoreError, UnknownNameError
from morphoquant.core.modality import Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.core.what_if import WhatIf
from morphoquant.figures.latex import escaped
from morphoquant.figures.paper import WIDTHS
from morphoquant.figures.press.support import ExportError
from morphoquant.store.header import RunHeader
from morphoquant.takeaway.asked import Asked, asked_of
from morphoquant.takeaway.bundle import bundle, write_bundle
from morphoquant.takeaway.command import export_words
from morphoquant.takeaway.facts import arithmetic
from morphoquant.takeaway.latex_page import Float, page
from morphoquant.takeaway.paper_tables import TABLES
from morphoquant.views.base import VIEWS

LAYER = "model.language_model.layers.1.mlp.down_proj"
CHOSEN = Selection(
    layer=LAYER,
    component="language",
    modalities=(Modality.AUDIO, Modality.TEXT),
    positions=tuple(Position),
    what_if=WhatIf(bits=3, bypass=True),
)


def runs_of(view, small_runs, answer_runs, inside_runs) -> tuple[object, tuple[str, ...]]:
    """The store and identifiers of runs that `view` can show."""
    if view.runs == "evaluate":
        pair = [answer_runs.quantised["rtn", "w4a4"], answer_runs.quantised["morphoquant", "w4a4"]]
        runs = pair if view.most == 2 else answer_runs.runs
        runs = list(answer_runs.matrix.values()) if view.name == "calibration_matrix" else runs
    elif view.runs == "sensitivity":
        runs = [answer_runs.sensitivity]
    elif view.runs == "inspect":
        runs = [inside_runs.rough, inside_runs.fine][: view.most]
    elif view.runs == "none":
        runs = []
    else:
        runs = {"capture": [small_runs.capture], "quantize": [small_runs.searched], "many": small_runs.quantized}[view.runs]
        runs = [small_runs.rtn4, small_runs.searched] if view.most == 2 else runs
    holder = {"evaluate": answer_runs, "sensitivity": answer_runs, "inspect": inside_runs}.get(view.runs, small_runs)
    return holder.store, tuple(run.run_id for run in runs)


def opened(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def files(small_runs) -> dict[str, bytes]:
    many = tuple(run.run_id for run in small_runs.quantized)
    figures = [Asked("compare_methods", many, width="double"), Asked("channel_ranges", (small_runs.capture.run_id,), CHOSEN)]
    return opened(bundle(small_runs.store, figures, [Asked("methods", many, width="double")]))


def test_it_holds_figures_data_tables_page_and_note(files):
    assert sorted(files) == [
        "PROVENANCE.md",
        "bundle.tex",
        "data/01-compare_methods.csv",
        "data/02-channel_ranges.csv",
        "data/table-01-methods.csv",
        "figures/01-compare_methods.pdf",
        "figures/02-channel_ranges.pdf",
        "provenance.json",
        "tables/01-methods.tex",
    ]
    for name, width in (("01-compare_methods", "double"), ("02-channel_ranges", "single")):
        (sheet,) = PdfReader(io.BytesIO(files[f"figures/{name}.pdf"])).pages
        assert float(sheet.mediabox.width) == pytest.approx(WIDTHS[width] * 72, abs=0.1)
    data = pd.read_csv(io.BytesIO(files["data/02-channel_ranges.csv"]))
    assert set(data["modality"]) == {"audio", "text"} and set(data["layer"]) == {LAYER}


def test_the_note_tells_plan_seed_versions_arithmetic_and_commands(files, small_runs):
    note, told = files["PROVENANCE.md"].decode(), json.loads(files["provenance.json"])
    for run in (*small_runs.quantized, small_runs.capture):
        assert run.run_id in note
        assert told["runs"][run.run_id]["plan"] == json.loads(json.dumps(run.plan.__dict__))
    assert "| seed | 0 |" in note and "plotly " in note and "simulated" in note
    assert {"morphoquant", "matplotlib", "python"} <= set(told["versions"])
    assert all(entry["command"].startswith("python -m morphoquant ") for entry in told["entries"])


def test_equal_questions_give_equal_bytes(small_runs):
    asked = [Asked("worst_layers", (small_runs.capture.run_id,))]
    assert bundle(small_runs.store, asked, []) == bundle(small_runs.store, asked, [])


@pytest.mark.parametrize("name", list(VIEWS))
def test_the_command_in_the_note_asks_the_same_question(small_runs, answer_runs, inside_runs, name):
    store, runs = runs_of(VIEWS[name], small_runs, answer_runs, inside_runs)
    measures = [measure.name for measure in VIEWS[name].measures]
    asked = asked_of(VIEWS[name], map(store.open, runs), replace(CHOSEN, measure=measures[-1] if measures else None), "double")
    read = parser().parse_args(export_words(asked, "figure.pdf"))
    assert (read.view, tuple(read.run_ids), read.width, read.file.name) == (name, runs, "double", "figure.pdf")
    again = selected(read, read.measure)
    assert replace(again, positions=set(again.positions)) == replace(asked.selection, positions=set(asked.selection.positions))


@pytest.mark.parametrize("name", ["channel_ranges", "what_if_grid", "layer_error", "paired_test", "sensitivity_depth"])
def test_the_command_in_the_note_makes_the_same_figure_again(
    small_runs, answer_runs, inside_runs, name, tmp_path, monkeypatch, capsys
):
    store, runs = runs_of(VIEWS[name], small_runs, answer_runs, inside_runs)
    found = opened(bundle(store, [Asked(name, runs, CHOSEN)], []))
    (entry,) = json.loads(found["provenance.json"])["entries"]
    monkeypatch.chdir(tmp_path)
    words = shlex.split(entry["command"])
    assert words[:3] == ["python", "-m", "morphoquant"]
    assert main([*words[3:], "--cache", str(store.cache)]) == 0
    drawn = entry["files"][0]
    assert (tmp_path / drawn.removeprefix("figures/")).read_bytes() == found[drawn]


@pytest.mark.parametrize("name", list(TABLES))
def test_the_command_in_the_note_makes_the_same_table_again(
    small_runs, answer_runs, inside_runs, name, tmp_path, monkeypatch, capsys
):
    store, runs = runs_of(TABLES[name], small_runs, answer_runs, inside_runs)
    found = opened(bundle(store, [], [Asked(name, runs, CHOSEN)]))
    (entry,) = json.loads(found["provenance.json"])["entries"]
    monkeypatch.chdir(tmp_path)
    assert main([*shlex.split(entry["command"])[3:], "--cache", str(store.cache)]) == 0
    (made,) = tmp_path.glob("*.zip")
    assert opened(made.read_bytes())[f"tables/01-{name}.tex"] == found[f"tables/01-{name}.tex"]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
@pytest.mark.parametrize("kind", [pytest.param("runs", marks=pytest.mark.slow), "answers", "inside"])
def test_the_latex_file_compiles_with_every_figure_and_table(small_runs, answer_runs, inside_runs, kind, tmp_path):
    kinds = {"answers": ("evaluate", "sensitivity"), "inside": ("inspect",)}
    told = [name for some in kinds.values() for name in some]
    named = [
        [name for name, one in registry.items() if (one.runs in kinds[kind] if kind in kinds else one.runs not in told)]
        for registry in (VIEWS, TABLES)
    ]
    store = {"answers": answer_runs, "inside": inside_runs}.get(kind, small_runs).store
    figures = [
        Asked(name, runs_of(VIEWS[name], small_runs, answer_runs, inside_runs)[1], width="double") for name in named[0][::2]
    ]
    figures += [Asked(name, runs_of(VIEWS[name], small_runs, answer_runs, inside_runs)[1]) for name in named[0][1::2]]
    tables = [Asked(name, runs_of(TABLES[name], small_runs, answer_runs, inside_runs)[1]) for name in named[1]]
    with zipfile.ZipFile(io.BytesIO(bundle(store, figures, tables))) as archive:
        archive.extractall(tmp_path)
    compiled = latex(tmp_path)
    assert len(compiled.pages) >= 2
    text = " ".join(sheet.extract_text() for sheet in compiled.pages)
    assert {int(number) for number in re.findall(r"Figure\s*(\d+):", text)} == set(range(1, len(figures) + 1))
    assert "Where the numbers come from" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_any_name_can_stand_in_a_caption(small_runs, tmp_path):
    nasty = r"\~^_{}$#&%|<>\"'`[x] 你好 naïve ∮ × ≥ σ²" + "\n\x00\tend"
    (tmp_path / "t.tex").write_text("a\n")
    (tmp_path / "bundle.tex").write_text(page([Float("table", "t.tex", nasty, nasty, nasty, "tab:t", False)], [small_runs.rtn4]))
    assert "U+4F60" in latex(tmp_path).pages[0].extract_text()
    assert escaped("a_b") == r"a\_b"


def latex(folder) -> PdfReader:
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "bundle.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    return PdfReader(folder / "bundle.pdf")


def test_nothing_half_written_is_left(small_runs, tmp_path):
    target = tmp_path / "paper.zip"
    target.write_bytes(b"before")
    with pytest.raises(UnknownNameError):
        write_bundle(target, small_runs.store, [Asked("worst_layers", ("capture-000000000000",))], [], lambda *_: None)
    assert target.read_bytes() == b"before" and [path.name for path in tmp_path.iterdir()] == ["paper.zip"]
    (tmp_path / "file").write_text("")
    asked = [Asked("tokens_by_modality", (small_runs.capture.run_id,))]
    with pytest.raises(StoreError, match="cannot write"):
        write_bundle(tmp_path / "file" / "paper.zip", small_runs.store, asked, [], lambda *_: None)


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ([], "needs a figure or a table"),
        ([("chanel_ranges", "single")], "did you mean 'channel_ranges'"),
        ([("layer_error", "single")], "shows quantize runs"),
        ([("worst_layers", "triple")], "unknown width 'triple'"),
    ],
)
def test_a_refusal_is_one_sentence(small_runs, figures, sentence):
    asked = [Asked(view, (small_runs.capture.run_id,), width=width) for view, width in figures]
    with pytest.raises(MorphoQuantError, match=sentence) as said:
        bundle(small_runs.store, asked, [])
    assert "\n" not in str(said.value)


def test_a_bundle_is_a_zip(small_runs, tmp_path):
    with pytest.raises(ExportError, match="one .zip file"):
        write_bundle(tmp_path / "paper.tar", small_runs.store, [], [], lambda *_: None)


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        (
            {"cost": {"deployable": True}, "arithmetic": "simulated in float32"},
            "simulated in float32; its products are deployable",
        ),
        ({"cost": {"deployable": False}}, "simulated only"),
        ({}, "the run does not say"),
    ],
)
def test_simulated_and_deployable_are_told_apart(small_runs, summary, said):
    header = RunHeader("x", small_runs.rtn4.plan, "finished", "", summary=summary)
    assert said in arithmetic(header)
    assert "nothing is quantised" in arithmetic(small_runs.capture.header)
