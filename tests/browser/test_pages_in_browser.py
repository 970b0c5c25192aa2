"""Every page in a real browser, on a real run: no error element, no warning in the log, pictures to see, a PDF from each page.

Pictures go to MORPHOQUANT_SCREENSHOTS, or to build/screenshots.
"""

import io
import os
import re
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
PAGES = ("overview", "distribution", "masks", "grid", "layer_error", "compare", "new_run")
WITH_FIGURES = PAGES[:-1]
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
def cache(tmp_path_factory) -> Path:
    """The repository's own runs, shipped or made here; where there are none, a small one."""
    if any(entry.header and entry.header.status == "finished" for entry in RunStore(ROOT / "cache").entries()):
        return ROOT / "cache"
    sys.path.insert(0, str(ROOT / "tests" / "pages"))
    import small_run

    folder = tmp_path_factory.mktemp("cache")
    capture = small_run.write_capture(folder)
    small_run.write_quantize(folder, capture, "rtn")
    small_run.write_quantize(folder, capture, "morphoquant")
    return folder


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
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"] h1', timeout=_SLOW)
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length === 0", timeout=_SLOW)
    page.wait_for_timeout(600)


def _is_clean(page: Page) -> None:
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)
    expect(page.locator('[data-testid="stAlertContentError"]')).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 1920])
def test_every_page_opens_clean(server, browser, scheme, width):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        page.set_viewport_size({"width": width, "height": 800})
        _open(page, f"{server}/{'' if name == 'overview' else name}")
        _is_clean(page)
        page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png")
        page.set_viewport_size({"width": width, "height": 2600})
        page.wait_for_timeout(500)
        page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}-whole.png")
        charts = page.locator(".js-plotly-plot").count()
        assert charts == 0 if name == "new_run" else charts >= 2, f"{name}: {charts} charts"
    context.close()


@pytest.mark.parametrize("name", WITH_FIGURES)
def test_a_pdf_saved_from_each_page_opens(server, browser, name):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    _open(page, f"{server}/{'' if name == 'overview' else name}")
    page.get_by_role("button", name="Save", exact=True).first.click()
    with page.expect_download(timeout=_SLOW) as download:
        page.get_by_role("button", name="PDF", exact=True).first.click()
    reader = PdfReader(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert len(reader.pages) == 1
    assert reader.pages[0].extract_text().strip()
    assert download.value.suggested_filename.endswith(".pdf")
    context.close()
