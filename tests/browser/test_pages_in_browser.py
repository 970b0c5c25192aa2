"""Every page in a real browser, on a real run: no error element, no warning in the log, pictures to see, a PDF from each page.

Pictures go to MORPHOQUANT_SCREENSHOTS, or to build/screenshots.
"""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from served import ARGUMENTS, CHROMIUM, PICTURES, ROOT, SLOW, is_clean, open_at, saved_pdf, served, settled

from morphoquant.store.run_store import RunStore

pytestmark = pytest.mark.browser
PAGES = {
    "overview": ("Overview", "Where are this model's outliers, and in which modality?"),
    "model": ("Model", "Where in the model does it hurt?"),
    "coverage": ("Coverage", "Is the calibration set enough, and for which modality?"),
    "distribution": ("Distribution", "What shape do the activations have, modality by modality?"),
    "tokens": ("Tokens", "Which tokens and which channels carry the large values?"),
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
FEW = ("calibration", "coverage", "model")  # pages with one chart; the shipped capture keeps no settling of ranges


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
    with served(cache, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


def test_the_first_link_after_a_start_leads_to_its_page(server, browser):
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    open_at(page, f"{server}/distribution?first=1&modality=text")
    page.get_by_role("link", name="Outlier masks").wait_for(timeout=SLOW)
    expect(page.locator("h1")).to_have_text("What shape do the activations have, modality by modality?")
    assert "first=1" in page.url and "modality=text" in page.url and "/distribution" in page.url
    page.context.close()


def test_a_click_on_a_layer_goes_down_to_its_distribution(server, browser):
    page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
    open_at(page, server)
    page.locator(".js-plotly-plot .bars .point").first.wait_for(timeout=SLOW)
    page.locator(".js-plotly-plot .bars .point").first.click(force=True)
    page.wait_for_url("**/distribution?*layer=*", timeout=SLOW)
    expect(page.locator("h1")).to_have_text("What shape do the activations have, modality by modality?", timeout=SLOW)
    is_clean(page)
    page.context.close()


def test_a_click_on_a_cell_of_the_model_goes_down_to_its_block_and_linear(server, browser):
    page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
    open_at(page, f"{server}/model")
    cell = page.locator(".js-plotly-plot .scatterlayer .point").nth(3)
    cell.wait_for(state="attached", timeout=SLOW)
    cell.click(force=True)
    page.wait_for_url("**/model?*layer=*", timeout=SLOW)
    settled(page)
    expect(page.get_by_text("it holds the worst linear")).to_have_count(0)
    page.get_by_role("link", name="Layer error", exact=True).last.click()
    page.wait_for_url("**/layer_error?*layer=*", timeout=SLOW)
    is_clean(page)
    page.context.close()


def test_a_slider_of_what_if_is_answered_and_is_in_the_link(server, browser):
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    open_at(page, f"{server}/what_if?whatif.bypass=yes")
    card = page.locator('[data-testid="stMetricValue"]').first
    card.wait_for(timeout=SLOW)
    before = card.inner_text()
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(card).not_to_have_text(before, timeout=5_000)
    settled(page)
    assert "whatif.bits=5" in page.url and "whatif.bypass=yes" in page.url
    is_clean(page)
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1920)])
def test_every_page_opens_clean_and_saves_a_pdf_that_opens(server, browser, scheme, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True)
    page = context.new_page()
    PICTURES.mkdir(parents=True, exist_ok=True)
    open_at(page, server)
    for name, (link, question) in PAGES.items():
        entry = page.get_by_role("link", name=link, exact=True)
        # In a narrow window the last entries stand behind "more".
        entry.click() if entry.is_visible() else open_at(page, f"{server}/{name}")
        expect(page.locator("h1")).to_have_text(question, timeout=SLOW)
        settled(page)
        is_clean(page)
        charts = page.locator(".js-plotly-plot").count()
        assert charts == 0 if name == "new_run" else charts >= (1 if name in FEW else 2), f"{name}: {charts} charts"
        _picture(page, name, f"{scheme}-{width}")
        if scheme == "light" and charts:
            saved_pdf(page)
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
