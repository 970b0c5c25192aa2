"""One page a method, read from its docstring and its fields, so that page and code cannot differ."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import takewhile
from typing import get_args, get_type_hints

from morphoquant.core import spec as spec_file
from morphoquant.core.errors import SpecError
from morphoquant.core.offered import SPECS
from morphoquant.core.spec import QuantSpec
from morphoquant.methods import composed as composed_file
from morphoquant.methods.base import Method
from morphoquant.methods.catalog import METHODS
from morphoquant.methods.options import written

SECTIONS = ("Idea", "Formula", "Needs", "Cost", "Fails when", "Source")
INDEX = "README.md"
_HEADER = re.compile(rf"({'|'.join(SECTIONS)}|Attributes):(?: (.*))?")
_ATTRIBUTE = re.compile(r"    (\w+): (.*)")


@dataclass(frozen=True)
class Field:
    """A field of a method.

    Attributes:
        name: as it is written behind the method's colon.
        value: default, as it is written.
        meaning: what the docstring says.
        variants: defaults of the variants that differ, by the variant's name.
    """

    name: str
    value: str
    meaning: str
    variants: dict[str, str]

    def markdown(self) -> str:
        """A point of a list."""
        others = ", ".join(f"{name} {value}" for name, value in self.variants.items())
        return f"- `{self.name}` = {self.value}{f' ({others})' if others else ''}: {self.meaning}"


@dataclass(frozen=True)
class MethodPage:
    """What is known of a method.

    Attributes:
        name: registered name.
        title: the name as papers write it, and the method in a few words.
        summary: what it does.
        sections: text of each of `SECTIONS`; the formula keeps the lines of the docstring.
        fields: in the order of the dataclass.
        takes: specs of core/offered.py that the method can honour with its defaults.
    """

    name: str
    title: str
    summary: str
    sections: dict[str, str]
    fields: tuple[Field, ...]
    takes: tuple[str, ...]

    def markdown(self) -> str:
        """The page. A paragraph is one line: a wrapped one could begin like a point of a list."""
        parts = [f"# {self.title}", self.summary]
        for name, text in self.sections.items():
            parts.append(f"**{name}**\n\n```text\n{text}\n```" if name == "Formula" else f"**{name}**: {text}")
        if self.fields:
            parts += ["**Fields** with their defaults:", "\n".join(field.markdown() for field in self.fields)]
        parts.append(f"**Specs**: of the usual ones {self._limits()}.")
        # An example that quantises activations where the method can.
        spec = min(self.takes, key=lambda text: QuantSpec.parse(text).a_bits)
        parts.append(f"```bash\npython -m morphoquant quantize --method {self.name} --spec {spec}\n```")
        return "\n\n".join(parts) + "\n"

    def _limits(self) -> str:
        refused = [spec for spec in SPECS if spec not in self.takes]
        if not refused:
            return "all are taken"
        few, word = (self.takes, "only") if len(self.takes) < len(refused) else (refused, "all but")
        return f"{word} {', '.join(few)}"


def pages() -> list[MethodPage]:
    """The pages of all registered methods, by name."""
    return [read_page(METHODS[name]) for name in sorted(METHODS)]


def files() -> dict[str, str]:
    """Markdown of every page and of an index, by file name."""
    every = pages()
    points = "\n".join(f"- [{page.name}]({page.name}.md): {page.sections['Idea']}" for page in every)
    index = [
        "# Methods",
        "Written from the docstrings by `python -m morphoquant methods --write docs/methods`: edit those.",
        points,
        f"## Combinations\n\n{_text_of(composed_file)}",
        f"## Specs\n\n{_text_of(spec_file)}",
    ]
    return {INDEX: "\n\n".join(index) + "\n"} | {f"{page.name}.md": page.markdown() for page in every}


def read_page(cls: type[Method]) -> MethodPage:
    """The page of a method's class.

    Raises:
        ValueError: the docstring lacks a section or the meaning of a field, or has lines of neither (a programming error).
    """
    summary, found = _read(cls)
    missing = [name for name in SECTIONS if not any(found.get(name, []))]
    if missing:
        raise ValueError(f"the docstring of {cls.__name__} has no {', '.join(missing)}")
    method = cls()
    return MethodPage(
        name=method.name,
        title=inspect.getdoc(inspect.getmodule(cls)).splitlines()[0].removesuffix("."),
        summary=summary,
        sections={name: ("\n" if name == "Formula" else " ").join(map(str.strip, found[name])) for name in SECTIONS},
        fields=tuple(_fields(cls)),
        takes=tuple(spec for spec in SPECS if _honours(method, spec)),
    )


def _read(cls: type) -> tuple[str, dict[str, list[str]]]:
    """Summary and the lines of each section. A section ends with the next header; what it continues is indented."""
    summary, _, rest = inspect.cleandoc(cls.__doc__).partition("\n\n")
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in filter(str.strip, rest.splitlines()):
        if header := _HEADER.fullmatch(line):
            lines = found.setdefault(header[1], [])
            lines += [header[2]] if header[2] else []
        elif lines is None or not line.startswith(" "):
            raise ValueError(f"the docstring of {cls.__name__} has a line in no section: {line}")
        else:
            lines.append(line)
    return " ".join(summary.split()), found


def _fields(cls: type[Method]) -> Iterator[Field]:
    meanings: dict[str, str] = {}
    for one in reversed(cls.__mro__[:-1]):
        meanings |= _meanings(one)
    here = cls().options()
    variants = {name: cls(variant=name).options() for name in get_args(get_type_hints(cls).get("variant"))}
    for field in fields(cls):
        if field.name not in meanings:
            raise ValueError(f"the docstring of {cls.__name__} does not say what {field.name} is")
        value = written(here[field.name])
        others = {name: written(options[field.name]) for name, options in variants.items() if field.name != "variant"}
        yield Field(field.name, value, meanings[field.name], {name: o for name, o in others.items() if o != value})


def _meanings(cls: type) -> dict[str, str]:
    """What a class says of attributes in its own docstring."""
    found: dict[str, str] = {}
    lines = inspect.cleandoc(cls.__doc__ or "").partition("\nAttributes:\n")[2].splitlines()
    for line in filter(str.strip, takewhile(lambda line: not line[:1].strip(), lines)):
        if start := _ATTRIBUTE.fullmatch(line):
            name, found[start[1]] = start[1], start[2]
        else:
            found[name] += f" {line.strip()}"
    return found


def _honours(method: Method, spec: str) -> bool:
    try:
        method.check(QuantSpec.parse(spec))
    except SpecError:
        return False
    return True


def _text_of(module) -> str:
    """A module's docstring without the name before its first colon."""
    text = inspect.getdoc(module).partition(": ")[2]
    return text[:1].upper() + text[1:]
