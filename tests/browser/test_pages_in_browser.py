"""Every page in a real browser, on a real run: no error element, no warning in the log, pictures to see, a PDF from each page.

Pictures go to MORPHOQUANT_SCREENSHOTS, or to build/screenshots.
"""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from pypdf import PdfReader

from morphoquant.store.run_store import RunStore

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
PICTURES = Path(os.environ.get("MORPHOQUANT_SCREENSHOTS", ROOT / "build" / "screenshots"))
CHROMIUM = os.environ.get("MORPHOQUANT_CHROMIUM", "/usr/bin/chromium")
PAGES = {
    "overview": ("Overview", "Where are this model's outliers, and in which modality?"),
    "distribution": ("Distribution", "What shape do the activations have, modality by modality?"),
    "masks": ("Outlier masks", "Are the outlier channels of one modality those of another?"),
    "grid": ("Grid", "Do the grid's levels stand where the values are?"),
    "what_if": ("What if", "What would other bits, ranges or a bypass do?"),
    "layer_error": ("Layer error", "Which layers does quantisation hurt, and for which modality?"),
    "compare": ("Compare", "Which method keeps which modality best?"),
    "accuracy": ("Accuracy", "Does the model still answer?"),
    "calibration": ("Calibration", "Does calibrating on one modality hurt the others?"),
    "sensitivity": ("Sensitivity", "Which layers must keep more bits, and for which modality?"),
    "new_run": ("New run", "What shall be run next?"),
}
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_BAD_IN_LOG = re.compile(r"warning|deprecat|traceback|error", re.IGNORECASE)
_SLOW = 60_000


@pytest.fixture(scope="module")
def cache(request, tmp_path_factory) -> Path:
    """The cache named by MORPHOQUANT_BROWSER_CACHE, else the shipped runs alone, else the small ones of the tests."""
    if "MORPHOQUANT_BROWSER_CACHE" in os.environ:
        return Path(os.environ["MORPHOQUANT_BROWSER_CACHE"])
    shipped = tmp_path_factory.mktemp("shipped")
    (shipped / "stored").symlink_to(ROOT / "cache" / "stored")
    whole = {
        entry.header.plan.kind for entry in RunStore(shipped).entries() if entry.header and entry.header.status == "finished"
    }
    if whole == {"capture", "quantize", "evaluate", "sensitivity"}:
        return shipped
    small = tmp_path_factory.mktemp("small")
    for name in ("small_runs", "answer_runs"):
        shutil.copytree(request.getfixturevalue(name).store.cache, small, dirs_exist_ok=True)
    return small


@pytest.fixture(scope="module")
def server(cache, tmp_path_factory):
    """The dashboard's address; its log is read at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log_file = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"]
    with log_file.open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"MORPHOQUANT_CACHE": str(cache)}, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _until_up(f"{address}/_stcore/health")
        yield address
    finally:
        process.terminate()
        process.wait(10)
    said = [line for line in log_file.read_text().splitlines() if _BAD_IN_LOG.search(line)]
    assert said == []


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield chromium
        chromium.close()


def _until_up(address: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the dashboard did not start")


def _open(page: Page, address: str) -> None:
    page.goto(address)
    _settled(page)


def _settled(page: Page) -> None:
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"] h1', timeout=_SLOW)
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length === 0", timeout=_SLOW)


def _is_clean(page: Page) -> None:
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)
    expect(page.locator('[data-testid="stAlertContentError"]')).to_have_count(0)


def test_the_first_link_after_a_start_leads_to_its_page(server, browser):
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    _open(page, f"{server}/distribution?first=1&modality=text")
    page.get_by_role("link", name="Outlier masks").wait_for(timeout=_SLOW)
    expect(page.locator("h1")).to_have_text("What shape do the activations have, modality by modality?")
    assert "first=1" in page.url and "modality=text" in page.url and "/distribution" in page.url
    page.context.close()


def test_a_click_on_a_layer_goes_down_to_its_distribution(server, browser):
    page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
    _open(page, server)
    page.locator(".js-plotly-plot .bars .point").first.wait_for(timeout=_SLOW)
    page.locator(".js-plotly-plot .bars .point").first.click(force=True)
    page.wait_for_url("**/distribution?*layer=*", timeout=_SLOW)
    expect(page.locator("h1")).to_have_text("What shape do the activations have, modality by modality?", timeout=_SLOW)
    _is_clean(page)
    page.context.close()


def test_a_slider_of_what_if_is_answered_and_is_in_the_link(server, browser):
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    _open(page, f"{server}/what_if?whatif.bypass=yes")
    card = page.locator('[data-testid="stMetricValue"]').first
    card.wait_for(timeout=_SLOW)
    before = card.inner_text()
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(card).not_to_have_text(before, timeout=5_000)
    _settled(page)
    assert "whatif.bits=5" in page.url and "whatif.bypass=yes" in page.url
    _is_clean(page)
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1920)])
def test_every_page_opens_clean_and_saves_a_pdf_that_opens(server, browser, scheme, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True)
    page = context.new_page()
    PICTURES.mkdir(parents=True, exist_ok=True)
    _open(page, server)
    for name, (link, question) in PAGES.items():
        entry = page.get_by_role("link", name=link, exact=True)
        # In a narrow window the last entries stand behind "more".
        entry.click() if entry.is_visible() else _open(page, f"{server}/{name}")
        expect(page.locator("h1")).to_have_text(question, timeout=_SLOW)
        _settled(page)
        _is_clean(page)
        charts = page.locator(".js-plotly-plot").count()
        assert charts == 0 if name == "new_run" else charts >= (1 if name == "calibration" else 2), f"{name}: {charts} charts"
        _picture(page, name, f"{scheme}-{width}")
        if scheme == "light" and charts:
            _saves_a_pdf(page, name)
    context.close()


def _picture(page: Page, name: str, suffix: str) -> None:
    """The first screen, and the whole page."""
    size = page.viewport_size
    page.wait_for_timeout(400)
    page.screenshot(path=PICTURES / f"{name}-{suffix}.png")
    tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], tall)})
    page.wait_for_timeout(400)
    page.screenshot(path=PICTURES / f"{name}-{suffix}-whole.png")
    page.set_viewport_size(size)


def _saves_a_pdf(page: Page, name: str) -> None:
    page.get_by_role("button", name="Save", exact=True).first.click()
    with page.expect_download(timeout=_SLOW) as download:
        page.get_by_role("button", name="PDF", exact=True).first.click()
    reader = PdfReader(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert len(reader.pages) == 1, name
    assert reader.pages[0].extract_text().strip(), name
    assert download.value.suggested_filename.endswith(".pdf")
    page.keyboard.press("Escape")
