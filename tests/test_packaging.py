"""What a wheel holds, by the rules that setuptools reads: packages with an __init__.py, and the files that package-data names."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "morphoquant"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
FILES = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_every_data_file_is_named():
    # As setuptools does, a pattern's star leaves out names that begin with a dot.
    data = {path for path in FILES if path.suffix != ".py" and not path.name.startswith(".")}
    named = {path for pattern in SETTINGS["package-data"]["morphoquant"] for path in PACKAGE.glob(pattern)}
    assert len(data) > 20
    assert sorted(str(path.relative_to(PACKAGE)) for path in data - named) == []


def test_every_source_file_is_in_a_package():
    assert SETTINGS["packages"]["find"]["include"] == ["morphoquant*"]
    outside = {path.parent for path in FILES if path.suffix == ".py"} - {p.parent for p in FILES if p.name == "__init__.py"}
    assert sorted(str(path.relative_to(PACKAGE)) for path in outside) == []
