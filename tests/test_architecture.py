"""The two rules of the house: imports go down only, and looking at a run needs no torch."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "morphoquant"
FLOORS = {
    "core": 0,
    **dict.fromkeys(["quant", "stats", "metrics", "store", "data"], 1),
    **dict.fromkeys(["models", "methods", "queries", "figures"], 2),
    **dict.fromkeys(["hooks", "views", "findings"], 3),
    **dict.fromkeys(["runs", "takeaway"], 4),
    **dict.fromkeys(["ui", "commands", "cli", "__main__", "handover"], 5),
}
# commands are the verbs of cli; __main__ is its door: one house on floor 5.
NEIGHBOURS_ALLOWED = {("cli", "commands"), ("__main__", "cli")}
# Packages that one part of ours alone may import.
ONLY_IN = {"streamlit": "ui", "lmms_eval": "handover"}
LOOKING = ("core", "store", "data", "queries", "figures", "views", "findings", "takeaway", "ui")
HEAVY = ("torch", "transformers", "numba")
SOURCES = sorted(PACKAGE.rglob("*.py"))


@cache
def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("morphoquant.") and name.split(".")[1] in FLOORS}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    relative = path.relative_to(PACKAGE)
    here = relative.parts[0].removesuffix(".py")
    if here == "__init__":
        return
    for there in own(imported_packages(path)) - {here}:
        down = FLOORS[there] < FLOORS[here] or (here, there) in NEIGHBOURS_ALLOWED
        assert down, f"{relative} on floor {FLOORS[here]} imports {there} on floor {FLOORS[there]}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_package_for_one_part_stands_in_no_other(path):
    uses = {name.split(".")[0] for name in imported_packages(path)} & set(ONLY_IN)
    assert all(path.relative_to(PACKAGE).parts[0] == ONLY_IN[name] for name in uses), uses


def test_no_relative_imports():
    relative = [p for p in SOURCES for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.ImportFrom) and n.level]
    assert relative == []


def test_looking_at_a_run_imports_no_torch():
    """One process imports all of it, module by module: the first that brings something heavy is named."""
    paths = [path for package in LOOKING for path in sorted((PACKAGE / package).rglob("*.py"))]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    code = f"""
import importlib, sys
for module in {modules}:
    importlib.import_module(module)
    heavy = sorted(set({HEAVY}) & set(sys.modules))
    assert not heavy, f"{{module}} imports {{heavy}}"
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
