"""The report as its reader opens it: a file in Chromium, offline, without a word in the console."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.main_views import VIEWS_OF
from morphoquant.takeaway.report import write_report

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
PICTURES = Path(os.environ.get("MORPHOQUANT_SCREENSHOTS", ROOT / "build" / "screenshots"))
CHROMIUM = os.environ.get("MORPHOQUANT_CHROMIUM", "/usr/bin/chromium")
_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
_SLOW = 120_000


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield chromium
        chromium.close()


def run_of(kind: str, answer_runs):
    """The newest shipped run of a kind, or a made-up one where none ships."""
    shipped = RunStore(ROOT / "cache")
    found = (entry.header for entry in shipped.entries() if entry.header and entry.header.stored)
    header = next((header for header in found if header.plan.kind == kind and header.status == "finished"), None)
    if header:
        return shipped, shipped.open(header.run_id)
    return answer_runs.store, {"evaluate": answer_runs.quantised["rtn", "w4a4"], "sensitivity": answer_runs.sensitivity}[kind]


@pytest.mark.parametrize("kind", list(VIEWS_OF))
def test_a_report_opens_offline_without_a_console_message(browser, answer_runs, kind, tmp_path):
    path = write_report(tmp_path / "report.html", *run_of(kind, answer_runs))
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri(), timeout=_SLOW)
    drawn = "document.querySelectorAll('.js-plotly-plot .main-svg').length >= 3 * document.querySelectorAll('figure').length"
    page.wait_for_function(drawn, timeout=_SLOW)
    assert page.locator("figure").count() >= len(VIEWS_OF[kind]) - 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"report-{kind}-whole.png", full_page=True, timeout=_SLOW)
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()
