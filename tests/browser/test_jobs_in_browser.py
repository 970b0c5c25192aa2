"""Jobs by clicking alone, on a tiny model of one's own: one is cancelled, one measures what was predicted."""

import pytest
from fixtures.saved_models import save_llava
from playwright.sync_api import expect
from served import PICTURES, SLOW, chromium, is_clean, open_at, served, settled, visit, window

from morphoquant.cli import main

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved model."""
    return save_llava(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    """A page on a cache that holds one capture of the model."""
    cache = tmp_path_factory.mktemp("cache")
    assert main(["capture", "--model", str(folder), "--cache", str(cache), "--samples", "24"]) == 0
    PICTURES.mkdir(parents=True, exist_ok=True)
    with served(cache, tmp_path_factory.mktemp("server")) as address, chromium() as browser:
        page = window(browser)
        open_at(page, address)
        yield page


def test_a_capture_is_started_watched_and_cancelled(page, folder):
    visit(page, "new_run")
    page.get_by_role("radio", name="Capture a model").click()
    model = page.get_by_role("textbox", name="Model")
    model.fill(str(folder))
    model.press("Enter")
    samples = page.get_by_role("spinbutton", name="Samples")
    samples.fill("100000")
    samples.press("Enter")
    expect(page.locator('[data-testid="stCode"]').first).to_contain_text("--samples=100000")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Cancel this job").wait_for()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    page.screenshot(path=PICTURES / "job-running.png")
    page.get_by_role("button", name="Cancel this job").click()
    expect(page.get_by_text("Cancelled. Whole batches are kept")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    is_clean(page)


def test_a_prediction_is_measured_by_its_button_and_both_stand_side_by_side(page):
    visit(page, "what_if")
    expect(page.get_by_text("predicted; not measured yet").first).to_be_visible()
    page.get_by_role("button", name="Measure this setting").click()
    expect(page.get_by_text("Measured by run").first).to_be_visible(timeout=120_000)
    settled(page)
    is_clean(page)
    told = page.get_by_text("predicted; measured").all_inner_texts()
    assert told and all("off by" in one for one in told)
    assert page.get_by_text("predicted; not measured yet").count() == 0
    page.screenshot(path=PICTURES / "what-if-measured.png")
    page.get_by_role("button", name="Open that run").click()
    expect(page.locator("h1")).to_have_text("Which layers does quantisation hurt, and for which modality?", timeout=SLOW)
    settled(page)
    is_clean(page)
