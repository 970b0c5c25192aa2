"""A cache without a run, and one whose runs are damaged: every page says in words what is wrong and what to do."""

import shutil

import pytest
from playwright.sync_api import expect
from served import PAGES, PICTURES, chromium, open_at, served, settled, visit, window

pytestmark = pytest.mark.browser
NEEDS_NO_RUN = ("published", "new_run", "take_away")


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def no_traceback(page) -> None:
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def test_on_an_empty_cache_every_page_names_the_command_that_fills_it(browser, tmp_path):
    with served(tmp_path / "nothing", tmp_path) as address:
        page = window(browser)
        open_at(page, address)
        for name in PAGES:
            visit(page, name)
            no_traceback(page)
            if name not in NEEDS_NO_RUN:
                expect(page.locator('[data-testid="stCode"]').first).to_contain_text("python -m morphoquant")
                expect(page.get_by_test_id("stBaseButton-primary")).to_be_enabled()
        PICTURES.mkdir(parents=True, exist_ok=True)
        visit(page, "overview")
        page.screenshot(path=PICTURES / "empty-cache.png")


def test_damaged_runs_are_one_sentence_and_the_others_stay_in_reach(browser, small_runs, tmp_path):
    cache = tmp_path / "cache"
    shutil.copytree(small_runs.store.cache, cache)
    runs = cache / "runs"
    (runs / small_runs.rtn8.run_id / "run.json").write_text("{")
    cut = runs / small_runs.searched.run_id / "errors.parquet"
    cut.write_bytes(cut.read_bytes()[:200])
    with served(cache, tmp_path) as address:
        page = window(browser)
        for run, sentence in ((small_runs.rtn8, "unreadable run.json"), (small_runs.searched, "is damaged")):
            open_at(page, f"{address}/layer_error?run={run.run_id}")
            expect(page.get_by_text(sentence).first).to_be_visible()
            no_traceback(page)
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / "damaged-run.png")
        page.get_by_role("combobox", name="Quantised run").click()
        page.get_by_role("option").filter(has_text=f"({small_runs.rtn4.run_id[-4:]})").click()
        page.wait_for_url(f"**run={small_runs.rtn4.run_id}*")
        settled(page)
        assert page.locator(".js-plotly-plot").count() == 3
