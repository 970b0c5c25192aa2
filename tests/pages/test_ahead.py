"""The dashboard's own server opens every page before somebody waits for it."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = len(list((ROOT / "pages").glob("*.py")))
_COMPLAINS = re.compile(r"warning|traceback|error", re.IGNORECASE)


@pytest.mark.slow
def test_the_verb_serves_pages_that_are_drawn_already(small_runs, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["dashboard", "--port", str(port), "--cache", str(small_runs.store.cache)]
    # A proxy is for other machines than this one. At a new home Streamlit would ask for an address, and end without an answer.
    environment = os.environ | {"http_proxy": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9"}
    environment |= {"HOME": str(tmp_path), "BROWSER": "true"}
    process = subprocess.Popen(
        [sys.executable, "-m", "morphoquant", *words],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "pages are read and drawn" in line:
                break
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)
    assert lines[-1].startswith(f"All {PAGES} pages")
    assert not [line for line in lines if _COMPLAINS.search(line)]
