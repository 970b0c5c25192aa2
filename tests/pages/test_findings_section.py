"""The section Findings of the overview: what it shows, that filters reach it, and that its links open the very place."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import given
from streamlit.testing.v1 import AppTest

from morphoquant.core.modality import CONTENT
from morphoquant.core.selection import Selection
from morphoquant.findings.base import findings
from morphoquant.findings.finding import Finding, Link, Severity, ranked
from morphoquant.findings.gather import gather
from morphoquant.ui.address import Address
from morphoquant.ui.findings import shown, worst_of_each
from morphoquant.ui.view_pages import PAGE_OF, address_of
from morphoquant.views.base import VIEWS

ROOT = Path(__file__).parents[2]
LINK = Link("Tokens", "tokens_by_modality", (), Selection())


@pytest.fixture
def page(small_runs, monkeypatch) -> AppTest:
    """The overview of the small runs."""
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(small_runs.store.cache))
    monkeypatch.chdir(ROOT)
    return AppTest.from_file(ROOT / "app.py", default_timeout=60)


def said(app: AppTest) -> str:
    return " ".join(element.value for element in app.markdown).replace("\\", "").replace("\u00a0", " ")


def made(rule: str, excess: float, modality: str | None = None, component: str | None = None) -> Finding:
    return Finding(rule, "x.", {}, Severity.LOSS, excess, (), (LINK,), 1.0, "", "", modality, component)


def test_every_finding_stands_on_the_page_with_its_links(page, small_runs):
    app = page.run()
    assert not app.exception and not app.error
    run = small_runs.store.open(app.selectbox(key="morphoquant.widget.findings_run").value)
    found = findings(gather(small_runs.store, small_runs.capture, run))
    assert found and all(one.sentence in said(app) for one in found)
    assert any(f"All {len(found)} findings" in one.label for one in app.expander)


def test_another_run_has_other_findings_and_is_in_the_link(page, small_runs):
    app = page.run()
    before = said(app)
    app.selectbox(key="morphoquant.widget.findings_run").set_value(small_runs.dynamic.run_id).run()
    assert not app.exception and said(app) != before
    assert small_runs.dynamic.run_id in app.query_params["run"]


def test_one_modality_leaves_its_findings_alone(page, small_runs):
    app = page.run()
    run = small_runs.store.open(app.selectbox(key="morphoquant.widget.findings_run").value)
    found = findings(gather(small_runs.store, small_runs.capture, run))
    one = next(one for one in found if one.modality == "audio")
    other = next(one for one in found if one.modality not in ("audio", None))
    app.query_params["modality"] = "audio"
    app.run()
    assert not app.exception and one.sentence in said(app) and other.sentence not in said(app)


def test_a_capture_without_runs_still_has_findings(small_runs, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / small_runs.capture.run_id).symlink_to(small_runs.capture.folder.resolve())
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not app.exception and "Findings" in said(app)
    for one in findings(gather(small_runs.store, small_runs.capture, None)):
        assert one.sentence in said(app)


def test_every_view_of_the_map_stands_on_its_page():
    for view, page in PAGE_OF.items():
        assert view in VIEWS and f'"{view}"' in (ROOT / page).read_text(encoding="utf-8")


def test_an_address_opens_the_very_place_and_survives_its_own_link(small_runs):
    run = small_runs.rtn4
    for one in findings(gather(small_runs.store, small_runs.capture, run)):
        for link in (*one.links, *([one.mend.link] if one.mend else [])):
            address = address_of(small_runs.store, link.view, link.runs, link.selection)
            assert Address.from_query(address.to_query()) == address
            assert address.capture == small_runs.capture.run_id
            selection = address.selection(link.view)
            wanted = link.selection
            assert (selection.layer, selection.channel, selection.modalities) == (wanted.layer, wanted.channel, wanted.modalities)
            assert selection.measure == wanted.measure and selection.positions == wanted.positions


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 9)), max_size=12))
def test_the_worst_of_each_rule_keeps_the_order(pairs):
    found = ranked(made(rule, excess) for rule, excess in pairs)
    first = worst_of_each(found)
    assert {one.rule for one in first} == {rule for rule, _ in pairs} and len(first) == len({rule for rule, _ in pairs})
    assert [one.excess for one in first] == sorted((one.excess for one in first), reverse=True)
    assert all(one.excess == max(excess for rule, excess in pairs if rule == one.rule) for one in first)


def test_a_finding_of_no_modality_passes_every_filter():
    found = [made("a", 1, "audio", "language"), made("b", 1), made("c", 1, "text", "vision")]

    def left(**filters):
        return [one.rule for one in shown(found, SimpleNamespace(address=Address(**filters)))]

    assert left() == ["a", "b", "c"]
    assert left(modalities=(CONTENT[2],)) == ["a", "b"]
    assert left(component="vision") == ["b", "c"]


def test_a_run_that_cannot_be_read_leaves_the_charts(small_runs, tmp_path, monkeypatch):
    shutil.copytree(small_runs.store.cache, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "runs" / small_runs.rtn4.run_id / "errors.parquet"
    path.write_bytes(path.read_bytes()[:200])
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    app.query_params["run"] = small_runs.rtn4.run_id
    app.run()
    assert not app.exception and "is damaged" in said(app) and len(app.get("plotly_chart")) == 2
