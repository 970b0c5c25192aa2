"""What a link, a name or a file from elsewhere tries, on the real code: no path leaves the cache, and nothing is executed."""

import http.client
import json
import pickle
import re
import shutil
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from browser.served import served
from streamlit.testing.v1 import AppTest

from morphoquant.cli import main
from morphoquant.core.errors import MorphoQuantError, StoreError
from morphoquant.data.item_file import read_items
from morphoquant.models.weights import check_weights
from morphoquant.store.run_store import RunStore
from morphoquant.ui import jobs, launch

ROOT = Path(__file__).parents[2]
SECRET = "model-that-nobody-may-see"
FOREIGN = "http://evil.example"
# What a browser asks for a lasting connection with, over which all of a page goes.
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
OUTSIDE = ["../../secret", "..", "/etc", "secret/../../secret", "%2e%2e/secret", "..\\secret", "secret\0", "~"]


@pytest.fixture
def cache(tmp_path, small_runs, monkeypatch):
    """A cache with a capture, and beside it a run folder that is none of its own."""
    folder = tmp_path / "cache"
    shutil.copytree(small_runs.capture.folder, folder / "runs" / small_runs.capture.run_id)
    shutil.copytree(small_runs.capture.folder, tmp_path / "secret")
    header = (tmp_path / "secret" / "run.json").read_text().replace('"id": "small"', f'"id": "{SECRET}"')
    (tmp_path / "secret" / "run.json").write_text(header)
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(folder))
    return folder


@pytest.mark.parametrize("key", ["capture", "run"])
def test_a_link_does_not_lead_out_of_the_cache(cache, key):
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    app.run()
    app.switch_page("pages/layer_error.py")
    for value in ("../../secret", "/etc"):
        app.query_params[key] = value
        app.run()
        shown = " ".join(str(element.value) for kind in (app.error, app.markdown, app.code, app.caption) for element in kind)
        assert not app.exception and "is not a run identifier" in shown.replace("\\", "") and SECRET not in shown


@pytest.mark.parametrize(
    "words",
    [
        ["report", "{}", "x.html"],
        ["findings", "{}"],
        ["export", "channel_ranges", "x.csv", "--run", "{}"],
        ["export", "{}", "x.csv"],
        ["bundle", "x.zip", "--views", "channel_ranges", "--run", "{}"],
        ["bundle", "x.zip", "--views", "{}"],
        ["runs", "--delete", "{}"],
        ["runs", "--ship", "{}"],
        ["quantize", "--run", "{}", "--method", "rtn", "--spec", "w4a4"],
    ],
    ids=lambda words: words[0] if isinstance(words, list) else None,
)
def test_no_verb_takes_a_path_for_a_run_or_view(cache, tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for name in OUTSIDE:
        assert main([word.format(name) for word in words] + ["--cache", str(cache)]) == 2
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err and said.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before


def test_a_header_cannot_name_files_elsewhere(cache, small_runs):
    """Not the run that it is of, nor tables, nor shards that a resumed run would read."""
    folder = cache / "runs" / small_runs.capture.run_id
    good = json.loads((folder / "run.json").read_text())
    del good["check"]
    for change in (
        {"run_id": "../../secret"},
        {"footers": {"shards/00000000/../../../../../secret/tokens.parquet": "0"}},
        {"footers": {"/etc/passwd": "0"}},
        {"tables": {"../../../secret/tokens": 1}},
    ):
        (folder / "run.json").write_text(json.dumps({**good, **change}))
        with pytest.raises(StoreError, match="run.json"):
            RunStore(cache).open(small_runs.capture.run_id)


def test_files_of_a_bundle_have_names_of_ours(cache, tmp_path):
    assert main(["bundle", str(tmp_path / "x.zip"), "--views", "channel_ranges", "--cache", str(cache)]) == 0
    with zipfile.ZipFile(BytesIO((tmp_path / "x.zip").read_bytes())) as archive:
        names = archive.namelist()
    assert names and all(re.fullmatch(r"([a-z]+/)?[A-Za-z0-9_-]+\.[a-z]+", name) for name in names), names


class _Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def test_nothing_is_unpickled(tmp_path):
    mark, content = tmp_path / "mark", pickle.dumps(_Harmful(tmp_path / "mark"))
    pickle.loads(content)
    assert mark.exists(), "it would"
    mark.unlink()
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama"}')
    (model / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(MorphoQuantError, match="pickled"):
        check_weights(model, "a model")
    (model / "model.safetensors").write_bytes(content)
    with pytest.raises(MorphoQuantError, match="damaged"):
        check_weights(model, "a model")
    parts = [{"type": "image", "path": "a.npy"}, {"type": "audio", "path": "a.pt"}, {"type": "video", "path": "a.pkl"}]
    for part in parts:
        (tmp_path / part["path"]).write_bytes(content)
    np.save(tmp_path / "a.npy", np.array([_Harmful(mark)], dtype=object), allow_pickle=True)
    lines = [{"id": str(n), "task": "t", "choices": ["a", "b"], "answer": "a", "parts": [part]} for n, part in enumerate(parts)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(MorphoQuantError, match="no item that can be used"):
        read_items(tmp_path / "items.jsonl")
    assert not mark.exists()


def test_a_job_hands_its_words_to_no_shell(tmp_path):
    mark = tmp_path / "mark"
    words = [f"; touch {mark}", f"$(touch {mark})", f"`touch {mark}`", f"| touch {mark}", "a  b", "*", "$HOME", "&&", f"> {mark}"]
    built = launch.capture_command(words[0], 1, 0)
    assert isinstance(built, list) and f"--model={words[0]}" in built
    job_id = jobs.start([sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *words], tmp_path)
    deadline = time.monotonic() + 20
    while jobs.status(job_id, tmp_path).status == "running" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert json.loads(jobs.log_tail(job_id, tmp_path)) == words and not mark.exists()
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", job_id)


@pytest.mark.slow
def test_the_server_answers_here_only_takes_no_upload_and_gives_no_file(cache, tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    with served(cache, log) as address:
        port = urlsplit(address).port
        listening = {one.laddr.ip for one in psutil.net_connections("tcp") if one.status == "LISTEN" and one.laddr.port == port}
        assert listening == {"127.0.0.1"}

        def asked(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            assert answer.headers.get("Access-Control-Allow-Origin") not in ("*", FOREIGN), path
            return answer.status, answer.read()

        secret = (tmp_path / "secret" / "run.json").read_bytes()
        for path in ("/../../secret/run.json", "/app/static/../../run.json", "/static/../../../../etc/passwd", "/media/../../x"):
            status, body = asked("GET", path)
            assert secret not in body and b"root:" not in body and SECRET.encode() not in body, path
        status, _ = asked("PUT", "/_stcore/upload_file/a/b", b"x" * 100)
        assert status in (400, 403, 404), "no session, and no token of ours"
        status, _ = asked("PUT", "/_stcore/upload_file/a/b", b"x" * 3_000_000)
        assert status in (400, 403, 404, 413)
        assert asked("GET", "/_stcore/stream", Origin=address, **UPGRADE)[0] == 101, "a page of ours is let in"
        assert asked("GET", "/_stcore/stream", Origin=FOREIGN, **UPGRADE)[0] == 403, "a page of another site is not"
        for path in ("/", "/_stcore/health", "/_stcore/host-config"):
            asked("GET", path, Origin=FOREIGN)
