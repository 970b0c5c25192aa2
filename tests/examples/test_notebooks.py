"""The example notebooks: every code cell runs on the runs that ship, in order, and no output is kept in the files."""

import ast
import json
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def shown(source: str, names: dict):
    """Runs a cell as Jupyter does: its value is that of a last line which is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


def test_there_is_one():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_is_kept(path):
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_shows_something(path, tmp_path, monkeypatch):
    (tmp_path / "cache").symlink_to(ROOT / "cache", target_is_directory=True)
    (tmp_path / "examples").mkdir()
    monkeypatch.chdir(tmp_path / "examples")
    names: dict = {}
    values = [shown("".join(cell["source"]), names) for cell in cells(path)]
    assert all(value is not None for value in values)
    figures = [value for value in values if isinstance(value, go.Figure)]
    tables = [value for value in values if isinstance(value, pd.DataFrame)]
    assert len(figures) >= 3 and all(len(figure.data) for figure in figures)
    assert tables and all(len(table) for table in tables)
    assert all(value.stat().st_size for value in values if isinstance(value, Path))
