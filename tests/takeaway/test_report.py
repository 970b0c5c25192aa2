"""The report: one file, nothing fetched, every name escaped, within its size; what a run cannot show stands there as a reason."""

import json
import re
import shutil
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import pytest

from morphoquant.cli import main
from morphoquant.core.errors import CompareError, StoreError
from morphoquant.core.layers import short_name
from morphoquant.figures.theme import three_digits
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway import report as made
from morphoquant.takeaway.headlines import headlines
from morphoquant.takeaway.main_views import TABLES_OF, VIEWS_OF
from morphoquant.takeaway.report import LARGEST, report, write_report
from morphoquant.takeaway.report_page import Part, page
from morphoquant.views.base import VIEWS


class Seen(HTMLParser):
    """Tags, addresses and anchors of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.fetched, self.links, self.anchors = [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.fetched += [given["src"]] if "src" in given else [given["href"]] if tag == "link" else []
        self.links += [given["href"]] if tag == "a" else []
        self.anchors |= {given["id"]} if "id" in given else set()


@pytest.fixture(scope="module")
def runs(small_runs, answer_runs, inside_runs) -> dict[str, tuple]:
    return {
        "capture": (small_runs.store, small_runs.capture),
        "quantize": (small_runs.store, small_runs.searched),
        "evaluate": (answer_runs.store, answer_runs.quantised["morphoquant", "w4a4"]),
        "sensitivity": (answer_runs.store, answer_runs.sensitivity),
        "inspect": (inside_runs.store, inside_runs.fine),
    }


@pytest.fixture(scope="module")
def pages(runs) -> dict[str, str]:
    return {kind: report(*pair) for kind, pair in runs.items()}


@pytest.mark.parametrize("kind", list(VIEWS_OF))
def test_it_holds_every_figure_and_table_of_its_kind(pages, runs, kind):
    text, run = pages[kind], runs[kind][1]
    seen = Seen(text)
    assert "Not shown" not in text
    assert {f"figure-{name}" for name in VIEWS_OF[kind]} <= seen.anchors
    assert {f"table-{name}" for name in TABLES_OF[kind]} <= seen.anchors
    assert text.count("Plotly.newPlot(") >= len(VIEWS_OF[kind])
    assert run.run_id in text and "<td>seed</td>" in text and "plotly " in text
    assert all(f"export {name} " in text for name in VIEWS_OF[kind])
    assert 3 <= text.count('class="tile"') <= 4


def test_the_head_tells_where_and_how_much(small_runs):
    frame = small_runs.searched.figure_data("compare_methods", modality=["text", "image", "audio", "video"])
    found = {one.label: one for one in headlines(small_runs.searched)}
    assert found["Lowest output SQNR"].value == f"{frame['pooled_sqnr_db'].min():.1f} dB"
    worst = frame.loc[frame["worst_sqnr_db"].idxmin()]
    assert found["Worst layer"].note.startswith(f"{worst['modality']} in {short_name(worst['worst_layer'])} (")
    kept = {run.run_id: headlines(run)[-1] for run in (small_runs.rtn4, small_runs.searched)}
    assert kept[small_runs.rtn4.run_id].value == "none" and kept[small_runs.searched.run_id].value.endswith(" %")
    largest = {one.label: one for one in headlines(small_runs.capture)}["Largest |activation|"]
    profile = small_runs.capture.figure_data("depth_profile", measure="absmax", modality=["text", "image", "audio", "video"])
    assert largest.value == three_digits(profile["value"].max())


@pytest.mark.parametrize("kind", ["capture", "quantize"])
def test_it_says_what_the_rules_say(pages, runs, kind, capsys):
    store, run = runs[kind]
    assert main(["findings", run.run_id, "--json", "--cache", str(store.cache)]) == 0
    sentences = [row["sentence"] for row in json.loads(capsys.readouterr().out)]
    assert sentences and all(escape(sentence) in pages[kind] for sentence in sentences)
    assert pages[kind].count('class="chip"') == len(sentences)


@pytest.mark.parametrize("kind", list(VIEWS_OF))
def test_nothing_is_fetched_and_the_script_is_in_it_once(pages, kind):
    seen = Seen(pages[kind])
    assert seen.fetched == ["data:,"]
    assert all(link.startswith("#") and link[1:] in seen.anchors for link in seen.links) and seen.links
    assert len(re.findall(r"plotly\.js v\d", pages[kind])) == 1
    assert "default-src 'none'" in pages[kind]


@pytest.mark.parametrize("kind", list(VIEWS_OF))
def test_it_is_a_few_megabytes(pages, kind):
    assert len(pages[kind].encode()) < LARGEST


def test_equal_runs_give_equal_reports(runs, pages):
    assert report(*runs["capture"]) == pages["capture"]


def test_figures_beyond_the_size_are_left_out_with_their_command(runs, monkeypatch):
    monkeypatch.setattr(made, "LARGEST", made._SCRIPT + 60_000)
    text = report(*runs["capture"])
    assert "Not shown: the report would grow beyond" in text and "Plotly.newPlot(" in text
    assert "export channel_ranges" in text and len(text) < LARGEST


def test_a_quantiser_without_grids_says_so_in_place_of_the_figure(small_runs):
    text = report(small_runs.store, small_runs.dynamic)
    assert "Not shown: run" in text and "has no fixed grids" in text and "figure-compare_methods" in text


def test_a_run_whose_capture_is_gone_is_told_of_without_it(small_runs, tmp_path):
    run = small_runs.rtn4
    shutil.copytree(run.folder, tmp_path / "runs" / run.run_id)
    store = RunStore(tmp_path)
    text = report(store, store.open(run.run_id))
    assert "figure-layer_error" in text and "figure-worst_layers" not in text
    assert f"Not shown: unknown run {escape(repr(run.plan.capture))}" in text


def test_names_are_never_read_as_markup(small_runs):
    nasty = "</script><img src=x onerror=alert(1)>"
    header = small_runs.capture.header
    plan = replace(header.plan, model={**header.plan.model, "id": nasty})
    run = Run(small_runs.capture.folder, replace(header, plan=plan, summary={"note": nasty}))
    text = report(small_runs.store, run)
    assert "<img" not in text and "&lt;img src=x" in text
    assert "<b>x</b>" not in page("<b>x</b>", "", [("<b>x</b>", [Part("a", "<b>x</b>", "")])])


def test_nothing_half_written_is_left(runs, tmp_path, monkeypatch):
    store, run = runs["capture"]
    target = tmp_path / "report.html"
    target.write_text("before")
    broken = Run(tmp_path / "nowhere" / "runs" / run.run_id, run.header)
    with pytest.raises(StoreError, match="is missing"):
        write_report(target, store, broken)
    assert target.read_text() == "before" and [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_run_that_is_not_finished_or_has_no_figures_is_refused(runs):
    store, run = runs["capture"]
    with pytest.raises(StoreError, match="is running, there is nothing to report yet"):
        report(store, Run(run.folder, replace(run.header, status="running")))
    with pytest.raises(CompareError, match="a gradients run has no figures"):
        report(store, Run(run.folder, replace(run.header, plan=replace(run.plan, kind="gradients"))))


def test_the_command_line(small_runs, tmp_path, capsys):
    cache, target = ["--cache", str(small_runs.store.cache)], tmp_path / "report.html"
    assert main(["report", "capture", str(target), *cache]) == 0
    assert target.read_text().startswith("<!doctype html>") and str(target) in capsys.readouterr().out
    assert main(["report", "capture", str(tmp_path / "report.pdf"), *cache]) == 2
    assert "one .html file" in capsys.readouterr().err
    assert main(["report", "rtn-w2a2", str(tmp_path / "other.html"), *cache]) == 2
    assert "unknown run 'rtn-w2a2'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("verb", ["bundle", "report"])
def test_help_has_an_example(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0 and f"example: python -m morphoquant {verb}" in capsys.readouterr().out


def test_the_main_views_are_there():
    assert all(name in list(VIEWS) for names in VIEWS_OF.values() for name in names)
