"""The dashboard as a server of its own, and what every test in a browser does with a page."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from pypdf import PdfReader

ROOT = Path(__file__).parents[2]
PICTURES = Path(os.environ.get("MORPHOQUANT_SCREENSHOTS", ROOT / "build" / "screenshots"))
CHROMIUM = os.environ.get("MORPHOQUANT_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SLOW = 60_000
_BAD_IN_LOG = re.compile(r"warning|deprecat|traceback|error", re.IGNORECASE)


# Every page: the menu that holds it, its entry there, and its question.
PAGES = {
    "overview": ("", "Overview", "Where are this model's outliers, and in which modality?"),
    "model": ("", "Model", "Where in the model does it hurt?"),
    "distribution": ("Activations", "Distribution", "What shape do the activations have, modality by modality?"),
    "tokens": ("Activations", "Tokens", "Which tokens and which channels carry the large values?"),
    "masks": ("Activations", "Outlier masks", "Are the outlier channels of one modality those of another?"),
    "coverage": ("Activations", "Coverage", "Is the calibration set enough, and for which modality?"),
    "what_if": ("Quantisation", "What if", "What would other bits, ranges or a bypass do?"),
    "grid": ("Quantisation", "Grid", "Do the grid's levels stand where the values are?"),
    "layer_error": ("Quantisation", "Layer error", "Which layers does quantisation hurt, and for which modality?"),
    "inside": ("Quantisation", "Inside", "How does the error travel through the model?"),
    "sensitivity": ("Quantisation", "Sensitivity", "Which layers must keep more bits, and for which modality?"),
    "compare": ("Methods", "Compare", "Which method keeps which modality best?"),
    "side_by_side": ("Methods", "Side by side", "Where do these runs differ?"),
    "accuracy": ("Methods", "Accuracy", "Does the model still answer?"),
    "calibration": ("Methods", "Calibration", "Does calibrating on one modality hurt the others?"),
    "published": ("Methods", "Published", "What do the papers report, and how far can it be trusted?"),
    "new_run": ("Run and save", "New run", "What shall be run next?"),
    "take_away": ("Run and save", "Take away", "What do you take away?"),
}


@contextmanager
def served(cache: Path, folder: Path) -> Iterator[str]:
    """The dashboard's address on `cache`; its log, in `folder`, must be free of complaints at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log_file = folder / "log.txt"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"]
    with log_file.open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"MORPHOQUANT_CACHE": str(cache)}, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _until_up(f"{address}/_stcore/health")
        yield address
    finally:
        process.terminate()
        process.wait(60)
    assert [line for line in log_file.read_text().splitlines() if _BAD_IN_LOG.search(line)] == []


def _until_up(address: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the dashboard did not start")


def open_at(page: Page, address: str) -> None:
    """Opens an address and waits until nothing moves any more."""
    page.goto(address)
    settled(page)


def settled(page: Page) -> None:
    """Waits until the script has run and every element is there."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"] h1', timeout=SLOW)
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length === 0", timeout=SLOW)


def is_clean(page: Page) -> None:
    """No error stands on the page."""
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)
    expect(page.locator('[data-testid="stAlertContentError"]')).to_have_count(0)


def saved_pdf(page: Page, where: Page | Locator | None = None) -> str:
    """Saves the first figure of `where`, the page if absent, as a PDF; gives the text on its one page."""
    (where or page).get_by_role("button", name="Save", exact=True).first.click()
    with page.expect_download(timeout=SLOW) as download:
        page.get_by_role("button", name="PDF", exact=True).first.click()
    assert download.value.suggested_filename.endswith(".pdf")
    reader = PdfReader(BytesIO(Path(download.value.path()).read_bytes()))
    assert len(reader.pages) == 1
    page.keyboard.press("Escape")
    text = reader.pages[0].extract_text().strip()
    assert text
    return text


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def window(browser: Browser, width: int = 1280, height: int = 900, scheme: str = "light") -> Page:
    """A page in a window of its own, which may save files."""
    viewport = {"width": width, "height": height}
    page = browser.new_context(viewport=viewport, color_scheme=scheme, accept_downloads=True).new_page()
    page.set_default_timeout(SLOW)
    return page


def visit(page: Page, name: str) -> None:
    """Goes to a page of `PAGES` as a person does: by its link at the top, or in one of the menus there."""
    menu, link, question = PAGES[name]
    if menu:
        page.get_by_role("button", name=menu, exact=True).click()
        page.get_by_role("menuitem", name=link, exact=True).click()
    else:
        page.get_by_role("link", name=link, exact=True).first.click()
    expect(page.locator("h1")).to_have_text(question, timeout=SLOW)
    settled(page)
