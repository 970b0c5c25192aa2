"""Without a mouse: by the menus to a page, a picker, from a finding to its view, and its figure as a PDF. The focus is seen."""

import pytest
from playwright.sync_api import Page, expect
from served import PAGES, ROOT, SLOW, chromium, is_clean, open_at, served, settled, window

pytestmark = pytest.mark.browser
MOST_TABS = 120
# What a screen reader says of the part that has the focus; an icon's name is a line of its own.
NAMES = """(one => one.matches("a, button, input")
    ? [one.getAttribute("aria-label") || one.labels?.[0]?.innerText || "", ...one.innerText.split("\\n")].map(line => line.trim())
    : [])(document.activeElement)"""
BOX = "(box => ({x: box.x - 6, y: box.y - 6, width: box.width + 12, height: box.height + 12}))"


def tab_to(page: Page, words: str) -> None:
    """Presses Tab until what has the focus is named by `words`, and looks at it."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if any(line.endswith(words) for line in page.evaluate(NAMES)):
            is_seen(page, words)
            return
    raise AssertionError(f"{words!r} is not reached in {MOST_TABS} steps")


def is_seen(page: Page, words: str) -> None:
    """The place looks otherwise when the focus is gone."""
    place = page.evaluate_handle("document.activeElement")
    page.wait_for_timeout(300)
    box = page.evaluate(
        f"one => {BOX}((one.closest('[role=combobox], [data-baseweb=select]') || one).getBoundingClientRect())", place
    )
    focused = page.screenshot(clip=box, animations="disabled", caret="initial")
    page.evaluate("one => one.blur()", place)
    page.wait_for_timeout(300)
    assert page.screenshot(clip=box, animations="disabled", caret="initial") != focused, f"the focus on {words!r} is not seen"
    page.evaluate("one => one.focus()", place)


def arrived(page: Page, name: str) -> None:
    expect(page.locator("h1")).to_have_text(PAGES[name][2], timeout=SLOW)
    settled(page)
    is_clean(page)


def by_menu(page: Page, name: str) -> None:
    """Opens a page by its menu, which Enter opens at its first entry, or by its link beside the menus."""
    menu = PAGES[name][0]
    entries = [one for one, (own, *_) in PAGES.items() if own == menu]
    tab_to(page, menu or PAGES[name][1])
    for key in ("Enter", *["ArrowDown"] * entries.index(name), "Enter") if menu else ("Enter",):
        page.keyboard.press(key)
        page.wait_for_timeout(300)
    arrived(page, name)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The dashboard on the shipped runs alone."""
    folder = tmp_path_factory.mktemp("shipped")
    (folder / "stored").symlink_to(ROOT / "cache" / "stored")
    with served(folder, folder) as address, chromium() as browser:
        page = window(browser)
        page.address = address
        yield page


def test_a_menu_leads_to_a_page_and_a_picker_to_a_part_of_the_model(page):
    open_at(page, page.address)
    by_menu(page, "distribution")
    tab_to(page, "Part of the model")
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(300)
    page.wait_for_url("**/distribution?*component=*")
    settled(page)
    is_clean(page)


def test_a_finding_leads_to_its_view_and_that_to_a_pdf(page):
    open_at(page, page.address)
    tab_to(page, "Error of every layer")
    page.keyboard.press("Enter")
    page.wait_for_url("**/layer_error?*layer=*")
    arrived(page, "layer_error")
    tab_to(page, "Save")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="PDF", exact=True).first.wait_for()
    tab_to(page, "PDF")
    with page.expect_download(timeout=SLOW) as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith(".pdf")
    page.keyboard.press("Escape")
    by_menu(page, "side_by_side")
    by_menu(page, "overview")
