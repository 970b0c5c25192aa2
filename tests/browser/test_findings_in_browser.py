"""What a newcomer does: by clicking alone, on the shipped runs, from the overview to the worst audio error, its layer and
channel, its cause, the method that mends it, and the figure as a PDF. Two minutes are allowed.
"""

import time

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from served import ARGUMENTS, CHROMIUM, PICTURES, ROOT, SLOW, is_clean, open_at, saved_pdf, served, settled

from morphoquant.core.layers import short_name
from morphoquant.core.modality import Modality
from morphoquant.core.selection import Selection
from morphoquant.findings.base import findings
from morphoquant.findings.gather import gather, subject
from morphoquant.queries.errors import layer_errors
from morphoquant.store.run_store import RunStore

pytestmark = pytest.mark.browser
ALLOWED_SECONDS = 120


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache that holds the shipped runs and nothing else."""
    shipped = tmp_path_factory.mktemp("shipped")
    (shipped / "stored").symlink_to(ROOT / "cache" / "stored")
    return shipped


@pytest.fixture
def page(cache, tmp_path):
    """A page of a fresh server, as a newcomer opens it."""
    with served(cache, tmp_path) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        page = context.new_page()
        page.address = address
        yield page
        chromium.close()


@pytest.fixture(scope="module")
def worst(cache):
    """The finding on the worst audio error, whose layer is that of the query."""
    store = RunStore(cache)
    capture, run = subject(store, None)
    found = findings(gather(store, capture, run))
    one = next(one for one in found if one.rule == "worst_layer" and one.modality == "audio")
    errors = layer_errors(run, Selection(modalities=(Modality.AUDIO,)), "output_sqnr_db")
    assert one.numbers["layer"] == errors.loc[errors["value"].idxmin(), "layer"]
    return one


def test_from_the_overview_to_the_worst_audio_error_its_cause_its_mend_and_a_pdf(page: Page, worst):
    layer, channel = worst.numbers["layer"], worst.numbers["channel"]
    start = time.monotonic()
    open_at(page, page.address)

    _audio_findings(page)
    first = page.locator(".st-key-finding_first0")
    _says(first, worst.sentence)
    _says(first, worst.mend.sentence)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "findings-audio.png")

    first.get_by_role("link", name=worst.links[0].words).click()
    _arrived(page, "layer_error", "Which layers does quantisation hurt, and for which modality?", layer)
    expect(page.locator(".js-plotly-plot .legendtext", has_text=short_name(layer)).first).to_be_visible(timeout=SLOW)
    page.screenshot(path=PICTURES / "findings-layer-error.png")

    page.get_by_role("link", name="Overview", exact=True).click()
    settled(page)
    first.get_by_role("link", name=worst.mend.link.words).click()
    _arrived(page, "compare", "Which method keeps which modality best?", layer)
    assert f"runs={worst.mend.run}" in page.url

    page.get_by_role("link", name="Overview", exact=True).click()
    settled(page)
    first.get_by_role("link", name="Channels of the input").click()
    _arrived(page, "distribution", "What shape do the activations have, modality by modality?", layer)
    assert f"channel={channel}" in page.url
    expect(page.locator(".js-plotly-plot .textpoint", has_text=f"channel {channel}")).to_be_visible(timeout=SLOW)
    page.screenshot(path=PICTURES / "findings-channels.png")
    save = page.get_by_role("button", name="Save", exact=True)
    panel = page.locator('[data-testid="stVerticalBlock"]').filter(has_text="Channel ranges").filter(has=save).last
    assert f"channel {channel}" in saved_pdf(page, panel)

    assert time.monotonic() - start < ALLOWED_SECONDS


def test_every_link_of_every_finding_opens_a_page_without_an_error(page: Page, cache):
    store = RunStore(cache)
    capture, run = subject(store, None)
    count = len(findings(gather(store, capture, run)))
    open_at(page, page.address)
    page.get_by_text(f"All {count} findings").click()
    links = page.locator('[class*="st-key-finding_"] a')
    addresses = sorted(set(links.evaluate_all("links => links.map(link => link.href)")))
    assert len(addresses) >= count
    # One link of each page and set of filters: the others differ in the layer alone.
    kinds = {tuple(part.partition("=")[0] for part in address.partition("?")[2].split("&")): address for address in addresses}
    for address in kinds.values():
        open_at(page, address)
        is_clean(page)
        assert page.locator(".js-plotly-plot").count() >= 1, address


def _audio_findings(page: Page) -> None:
    page.locator('[data-testid="stButtonGroup"]', has_text="all").get_by_text("audio").click()
    page.wait_for_url("**modality=audio*", timeout=SLOW)
    settled(page)


def _says(where, sentence: str) -> None:
    expect(where).to_contain_text(sentence, timeout=SLOW)


def _arrived(page: Page, name: str, question: str, layer: str) -> None:
    page.wait_for_url(f"**/{name}?*layer={layer}*", timeout=SLOW)
    expect(page.locator("h1")).to_have_text(question, timeout=SLOW)
    settled(page)
    is_clean(page)
    assert "modality=audio" in page.url
