"""Looking at runs loads no engine, and notes show names as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from morphoquant.ui.notes import plain
from morphoquant.ui.numbers import duration
from morphoquant.ui.saving import file_stem

ROOT = Path(__file__).parents[2]
_BROWSE = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
for name in ("distribution", "masks", "layer_error", "compare", "new_run"):
    app.switch_page(f"pages/{name}.py").run()
    assert not app.exception, app.exception
heavy = {"torch", "transformers", "numba"} & set(sys.modules)
assert not heavy, heavy
"""


def test_no_page_but_the_grid_loads_the_engine(small_runs):
    environment = os.environ | {"MORPHOQUANT_CACHE": str(small_runs.store.cache)}
    done = subprocess.run([sys.executable, "-c", _BROWSE], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", ["![x](http://a.invalid/x.png)", "<b>b</b>", "`code`", "$x$", "*a* _b_", ":red[x]"])
def test_nothing_in_a_name_stays_markup(name):
    shown = plain(name)
    assert shown.replace("\\", "") == name
    assert all(shown[place - 1] == "\\" for place, letter in enumerate(shown) if letter in "!<>`$*_[:")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")])
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("name", "stem"), [("a/../b", "a-b"), ("..", "morphoquant"), ("x.y z", "x-y-z"), ("a" * 300, "a" * 120)])
def test_a_file_name_holds_no_path(name, stem):
    assert file_stem(name) == stem
