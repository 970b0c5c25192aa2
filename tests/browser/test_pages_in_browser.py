"""Every page in a real browser, on a real run: no error element, no warning in the log, pictures to see, a PDF from each page.

Pictures go to MORPHOQUANT_SCREENSHOTS, or to build/screenshots.
"""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from served import PAGES, PICTURES, ROOT, SLOW, chromium, is_clean, open_at, saved_pdf, served, settled, visit, window

from morphoquant.store.run_store import RunStore

pytestmark = pytest.mark.browser
# Charts that a page has at least, where it is not two; the shipped capture keeps no settling of ranges.
CHARTS = {"calibration": 1, "coverage": 1, "model": 1, "published": 1, "new_run": 0, "take_away": 0}


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
    if whole >= {"capture", "quantize", "evaluate", "sensitivity", "inspect"}:
        return shipped
    small = tmp_path_factory.mktemp("small")
    for name in ("small_runs", "answer_runs", "inside_runs"):
        shutil.copytree(request.getfixturevalue(name).store.cache, small, dirs_exist_ok=True)
    return small


@pytest.fixture(scope="module")
def server(cache, tmp_path_factory):
    """The dashboard's address; its log is read at the end."""
    with served(cache, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def test_the_first_link_after_a_start_leads_to_its_page(server, browser):
    page = window(browser, height=800)
    open_at(page, f"{server}/distribution?first=1&modality=text")
    page.get_by_role("link", name="Overview", exact=True).wait_for()
    expect(page.locator("h1")).to_have_text("What shape do the activations have, modality by modality?")
    assert "first=1" in page.url and "modality=text" in page.url and "/distribution" in page.url
    page.context.close()


def test_a_click_on_a_layer_goes_down_to_its_distribution(server, browser):
    page = window(browser, height=1200)
    open_at(page, server)
    page.locator(".js-plotly-plot .bars .point").first.wait_for()
    page.locator(".js-plotly-plot .bars .point").first.click(force=True)
    page.wait_for_url("**/distribution?*layer=*")
    expect(page.locator("h1")).to_have_text("What shape do the activations have, modality by modality?", timeout=SLOW)
    settled(page)
    is_clean(page)
    page.locator(".js-plotly-plot").nth(1).locator(".scatterlayer .point").nth(20).click(force=True)
    page.wait_for_url("**/distribution?*channel=*")
    settled(page)
    is_clean(page)
    page.context.close()


def test_a_click_on_a_cell_of_the_model_goes_down_to_its_block_and_linear(server, browser):
    page = window(browser, height=1200)
    open_at(page, f"{server}/model")
    cell = page.locator(".js-plotly-plot .scatterlayer .point").nth(3)
    cell.wait_for(state="attached")
    cell.click(force=True)
    page.wait_for_url("**/model?*layer=*")
    settled(page)
    expect(page.get_by_text("it holds the worst linear")).to_have_count(0)
    page.get_by_role("link", name="Layer error", exact=True).last.click()
    page.wait_for_url("**/layer_error?*layer=*")
    is_clean(page)
    page.context.close()


def test_a_slider_of_what_if_is_answered_and_is_in_the_link(server, browser):
    page = window(browser)
    open_at(page, f"{server}/what_if?whatif.bypass=yes")
    card = page.locator('[data-testid="stMetricValue"]').first
    card.wait_for()
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
    page = window(browser, width=width, scheme=scheme)
    PICTURES.mkdir(parents=True, exist_ok=True)
    open_at(page, server)
    for name in PAGES:
        visit(page, name)
        is_clean(page)
        charts, least = page.locator(".js-plotly-plot").count(), CHARTS.get(name, 2)
        assert charts >= least and bool(charts) == bool(least), f"{name}: {charts} charts"
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width, f"{name} is too wide"
        _picture(page, name, f"{scheme}-{width}")
        if scheme == "light" and charts:
            saved_pdf(page)
    page.context.close()


def _picture(page: Page, name: str, suffix: str) -> None:
    """The first screen, and the whole page."""
    size = page.viewport_size
    page.wait_for_timeout(300)
    page.screenshot(path=PICTURES / f"{name}-{suffix}.png")
    tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], tall)})
    page.wait_for_timeout(300)
    page.screenshot(path=PICTURES / f"{name}-{suffix}-whole.png")
    page.set_viewport_size(size)
