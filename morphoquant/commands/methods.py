"""methods: what each method does, needs and costs, from its docstring."""

import textwrap
from pathlib import Path

from morphoquant.core.errors import StoreError

_WIDTH = 100


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "methods",
        help="what each method does, needs and costs",
        description="List the methods with their ideas, or print the page of one: idea, formula, needs, cost, when it fails, "
        "source, fields.",
        epilog="example: python -m morphoquant methods smoothquant",
    )
    verb.add_argument("name", nargs="?", metavar="NAME", help="method to print the page of")
    verb.add_argument(
        "--write", type=Path, metavar="FOLDER", help="write all pages and an index as Markdown, such as docs/methods"
    )
    verb.set_defaults(run=run)


def run(args) -> None:
    """Prints the list or a page, or writes all pages."""
    from morphoquant.commands.method_pages import files, pages, read_page
    from morphoquant.methods.catalog import METHODS

    if args.write:
        _write(args.write, files())
    elif args.name:
        print(_wrapped(read_page(METHODS[args.name]).markdown()), end="")
    else:
        for page in pages():
            print(textwrap.fill(f"{page.name:12} {page.sections['Idea']}", _WIDTH, subsequent_indent=" " * 13))


def _write(folder: Path, texts: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror}; name a folder that can be written to.") from None
    print(f"wrote {len(texts)} files to {folder}")


def _wrapped(markdown: str) -> str:
    """Long paragraphs on lines of a terminal; formulas and commands as they are."""
    lines, fenced = [], False
    for line in markdown.splitlines():
        fenced ^= line.startswith("```")
        indent = "  " if line.startswith("- ") else ""
        lines.append(line if fenced else textwrap.fill(line, _WIDTH, subsequent_indent=indent))
    return "\n".join(lines) + "\n"
