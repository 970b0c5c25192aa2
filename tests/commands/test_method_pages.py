"""The pages of the methods: complete, printed, and in docs/methods as the docstrings give them."""

from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from morphoquant.cli import main
from morphoquant.commands.method_pages import SECTIONS, files, read_page
from morphoquant.methods.catalog import METHODS
from morphoquant.methods.options import parse_method

DOCS = Path(__file__).parents[2] / "docs" / "methods"


@pytest.mark.parametrize("name", list(METHODS))
def test_a_page_says_everything_on_one_screen(name, capsys):
    page = read_page(METHODS[name])
    assert page.name == name and page.title and page.summary
    assert list(page.sections) == list(SECTIONS) and all(page.sections.values())
    assert [field.name for field in page.fields] == [field.name for field in fields(METHODS[name])]
    assert all(field.meaning for field in page.fields)
    assert main(["methods", name]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) <= 60
    assert " ".join(page.sections["Fails when"].split()) in " ".join(printed.split())
    assert page.sections["Formula"] in printed


@pytest.mark.parametrize("name", list(METHODS))
def test_defaults_are_those_of_the_method_and_can_be_typed(name):
    page = read_page(METHODS[name])
    typed = ",".join(f"{field.name}={field.value}" for field in page.fields)
    assert parse_method(f"{name}:{typed}" if typed else name).options() == METHODS[name]().options()
    for variant in {variant for field in page.fields for variant in field.variants}:
        wanted = [f"{field.name}={field.variants.get(variant, field.value)}" for field in page.fields if field.name != "variant"]
        assert parse_method(f"{name}:{','.join(wanted)}").options() | {"variant": variant} == (
            parse_method(f"{name}:variant={variant}").options()
        )


def test_the_docs_are_what_the_docstrings_give():
    wanted = files()
    stored = {path.name: path.read_text(encoding="utf-8") for path in DOCS.iterdir()}
    stale = sorted(name for name in wanted.keys() | stored.keys() if wanted.get(name) != stored.get(name))
    assert stale == [], "write them anew with: python -m morphoquant methods --write docs/methods (and remove what is no method)"
    assert all(f"({name}.md)" in wanted["README.md"] for name in METHODS)


def test_the_list_and_the_files(tmp_path, capsys):
    assert main(["methods"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")} == set(METHODS)
    assert main(["methods", "--write", str(tmp_path / "new")]) == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new").iterdir()} == files()


def test_what_cannot_be_done_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["methods", "smothquant"]) == 2
    assert main(["methods", "--write", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "did you mean 'smoothquant'" in said[0] and "cannot write to" in said[1]


GOOD = """Does it.

Idea: a.

Formula: b
    c.

Needs: d.
Cost: e.
Fails when: f.

Source: g.

Attributes:
    size: h
        i."""


def made(docstring):
    """A method with this docstring and one field."""
    cls = type("Made", (METHODS["rtn"],), {"__doc__": docstring, "__annotations__": {"size": int}, "size": 1})
    cls.__module__ = METHODS["rtn"].__module__
    return dataclass(frozen=True)(cls)


def test_continued_lines_belong_to_their_section():
    page = read_page(made(GOOD))
    assert (page.sections["Formula"], page.sections["Needs"]) == ("b\nc.", "d.")
    assert [(field.name, field.value, field.meaning) for field in page.fields][-1] == ("size", "1", "h i.")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Cost: e.\n", "", "no Cost"),
        ("Cost: e.", "Cost:", "no Cost"),
        ("    size: h\n        i.", "    another: h", "does not say what size is"),
        ("    c.", "c.", "a line in no section: c."),
    ],
)
def test_a_docstring_that_lacks_something_is_refused(old, new, message):
    assert old in GOOD
    with pytest.raises(ValueError, match=message):
        read_page(made(GOOD.replace(old, new)))
