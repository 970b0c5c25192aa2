"""The bundle by clicking alone: two figures put into it where they are shown, made on its page, saved, and opened again."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright
from pypdf import PdfReader
from served import ARGUMENTS, CHROMIUM, PICTURES, ROOT, SLOW, is_clean, open_at, served, settled

pytestmark = pytest.mark.browser


def saved(page, button: str) -> tuple[str, bytes]:
    """Presses a button that saves; the file's name and content."""
    with page.expect_download(timeout=SLOW) as download:
        page.get_by_role("button", name=button).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_figures_seen_become_a_bundle_and_a_run_becomes_a_report(tmp_path):
    (tmp_path / "stored").symlink_to(ROOT / "cache" / "stored")
    with served(tmp_path, tmp_path) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True).new_page()
        page.set_default_timeout(SLOW)
        open_at(page, f"{address}/distribution")
        for place in (0, 1):
            page.get_by_role("button", name="Save", exact=True).nth(place).click()
            page.get_by_role("button", name="Put into the bundle").click()
            link = page.get_by_role("link", name=f"{place + 1} in the bundle: make it")
            link.wait_for()
            if place == 0:
                page.keyboard.press("Escape")
        link.click()
        expect(page.locator("h1")).to_have_text("What do you take away?", timeout=SLOW)
        settled(page)
        page.get_by_role("button", name="Make the bundle").click()
        page.get_by_role("button", name="Save the bundle").wait_for()
        settled(page)
        name, data = saved(page, "Save the bundle")
        page.get_by_role("button", name="Make the report").click()
        page.get_by_role("button", name="Save the report").wait_for()
        settled(page)
        report_name, report = saved(page, "Save the report")
        is_clean(page)
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / "take-away.png", full_page=True)
        chromium.close()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = json.loads(archive.read("provenance.json"))["entries"]
        drawn = [PdfReader(io.BytesIO(archive.read(entry["files"][0]))) for entry in entries]
    assert name.endswith(".zip") and len(drawn) == 2 and all(len(one.pages) == 1 for one in drawn)
    assert report_name.endswith(".html") and report.startswith(b"<!doctype html>")
