"""What the code must not contain, whatever it does: reading pickles, shells, uploads, and an open address."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from morphoquant.cli import parser

ROOT = Path(__file__).parents[1]
SOURCES = [
    ROOT / "app.py",
    *sorted(path for part in ("morphoquant", "pages", "benchmarks") for path in (ROOT / part).rglob("*.py")),
]
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
READS_PICKLES = {"read_pickle", "to_pickle", "unpickle", "unsafe_load", "full_load"}
SHELLS = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"),
    *("pty.spawn", "eval", "exec", "compile", "builtins.eval", "builtins.exec", "tempfile.mktemp"),
}
# Replace this process or start another by a path of theirs; archives whose members name their own places.
STARTS = re.compile(r"os\.(exec|spawn|posix_spawn)\w*|shutil\.unpack_archive|.*\.extractall")
SAFE_LOADERS = {"yaml.SafeLoader", "yaml.CSafeLoader"}


def _full_names(tree: ast.AST) -> dict[str, str]:
    """What a name in a file stands for: {"sp": "subprocess", "system": "os.system"}."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _name(node: ast.expr, known: dict[str, str]) -> str:
    """ "torch.load" of its call, whatever it was imported as."""
    if not isinstance(node, (ast.Attribute, ast.Name)):
        return f"?.{node.attr}" if isinstance(node, ast.Attribute) else ""
    first, dot, rest = ast.unparse(node).partition(".")
    return f"{known.get(first, first)}{dot}{rest}"


def offences(source: str) -> list[str]:
    """What a file's code does that none may do."""
    tree = ast.parse(source)
    found, known = [], _full_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"import {name}" for name in names if name.split(".")[0] in PICKLES]
        if not isinstance(node, ast.Call):
            continue
        name, given = _name(node.func, known), {word.arg: word.value for word in node.keywords}
        true = {word for word, value in given.items() if not (isinstance(value, ast.Constant) and value.value in (False, None))}
        last = name.rpartition(".")[2]
        if name == "torch.load" and ast.unparse(given.get("weights_only", ast.Constant(False))) != "True":
            found.append("torch.load without weights_only=True")
        if name in ("yaml.load", "yaml.load_all") and not _safe_loader(node, given, known):
            found.append(f"{name} without a safe loader")
        found += [f"{name}({word}=...)" for word in ("allow_pickle", "shell", "unsafe_allow_html") if word in true]
        bad = (name in SHELLS, last in READS_PICKLES, last == "file_uploader", bool(STARTS.fullmatch(name)))
        found += [name for one in bad if one]
        if isinstance(given.get("trust_remote_code"), ast.Constant) and "trust_remote_code" in true:
            found.append(f"{name}(trust_remote_code=True)")
    return found


def _safe_loader(call: ast.Call, given: dict[str | None, ast.expr], known: dict[str, str]) -> bool:
    loader = given.get("Loader") or (call.args[1] if len(call.args) > 1 else None)
    return loader is not None and _name(loader, known) in SAFE_LOADERS


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
        "from os import system\nsystem('x')",
        "import subprocess as sp\nsp.getoutput('x')",
        "import torch as t\nt.load('x')",
        "from torch import load as read\nread('x')",
        "asyncio.create_subprocess_shell('x')",
        "os.execvp('x', words)",
        "os.posix_spawn('x', words, {})",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.load(text)",
        "yaml.unsafe_load(text)",
        "archive.extractall(folder)",
        "zipfile.ZipFile(path).extractall(folder)",
        "shutil.unpack_archive(path)",
        "st.markdown(text, unsafe_allow_html=True)",
    ],
)
def test_each_of_them_is_found(source):
    assert len(offences(source)) == 1


def test_what_may_be_is_not_found():
    fine = "model.eval(); re.compile('a'); torch.load('x', weights_only=True); np.load('x'); subprocess.run(['x'], shell=False)"
    assert offences(fine) == []
    assert offences("yaml.safe_load(text); yaml.load(text, yaml.SafeLoader); yaml.load(text, Loader=yaml.CSafeLoader)") == []


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
