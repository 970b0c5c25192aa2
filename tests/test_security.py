"""What the code must not contain, whatever it does: reading pickles, shells, uploads, and an open address."""

import ast
import tomllib
from pathlib import Path

import pytest

from morphoquant.cli import parser

ROOT = Path(__file__).parents[1]
SOURCES = [
    ROOT / "app.py",
    *sorted(path for part in ("morphoquant", "pages", "benchmarks") for path in (ROOT / part).rglob("*.py")),
]
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
READS_PICKLES = {"read_pickle", "to_pickle", "unpickle"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "exec", "tempfile.mktemp"}


def _name(node: ast.expr) -> str:
    """ "torch.load" of its call."""
    return ast.unparse(node) if isinstance(node, (ast.Attribute, ast.Name)) else ""


def offences(source: str) -> list[str]:
    """What a file's code does that none may do."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"import {name}" for name in names if name.split(".")[0] in PICKLES]
        if not isinstance(node, ast.Call):
            continue
        name, given = _name(node.func), {word.arg: word.value for word in node.keywords}
        true = {word for word, value in given.items() if not (isinstance(value, ast.Constant) and value.value in (False, None))}
        last = name.rpartition(".")[2]
        if name == "torch.load" and ast.unparse(given.get("weights_only", ast.Constant(False))) != "True":
            found.append("torch.load without weights_only=True")
        found += [f"{name}({word}=...)" for word in ("allow_pickle", "shell") if word in true]
        found += [name for bad in (name in SHELLS, last in READS_PICKLES, last == "file_uploader") if bad]
        if isinstance(given.get("trust_remote_code"), ast.Constant) and "trust_remote_code" in true:
            found.append(f"{name}(trust_remote_code=True)")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_unpickles_opens_a_shell_or_takes_an_upload(path):
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "torch.load('x', weights_only=False)",
        "np.load('x', allow_pickle=True)",
        "np.load('x', allow_pickle=flag)",
        "pd.read_pickle('x')",
        "subprocess.run('x', shell=True)",
        "os.system('x')",
        "eval('x')",
        "st.file_uploader('x')",
        "load(name, trust_remote_code=True)",
    ],
)
def test_each_of_them_is_found(source):
    assert len(offences(source)) == 1


def test_what_may_be_is_not_found():
    assert offences("model.eval(); torch.load('x', weights_only=True); np.load('x'); subprocess.run(['x'], shell=False)") == []


def test_the_dashboard_is_configured_for_this_machine_only():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    server, client = settings["server"], settings["client"]
    assert server["address"] == "127.0.0.1"
    assert server["enableXsrfProtection"] is True and server["enableCORS"] is True
    assert server["enableStaticServing"] is False and server["maxUploadSize"] <= 1  # MB
    assert client["showErrorDetails"] == "none", "no trace, and so no path of this machine, on a page"


def test_the_verb_listens_on_this_machine_unless_told_otherwise():
    assert parser().parse_args(["dashboard"]).address == "127.0.0.1"
    assert parser().parse_args(["demo"]).address == "127.0.0.1"
