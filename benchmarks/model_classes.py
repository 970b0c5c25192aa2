"""Which multimodal classes of the installed transformers are covered, as the table of docs/models.md.

    python benchmarks/model_classes.py             prints it
    python benchmarks/model_classes.py --write     puts it into docs/models.md, between the two marks there

Each class is built from its default config, without weights, in a second or less.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from morphoquant.hooks.registry import Judged, judge_all

DOCS = Path(__file__).parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- classes -->\n", "<!-- end of classes -->\n"


def table(judged: Sequence[Judged]) -> str:
    """The table in Markdown, under a line of totals."""
    import transformers

    totals = Counter(one.covered for one in judged)
    said = ", ".join(f"{totals[name]} {words}" for name, words in (("run", "run"), ("by rule", "by rule"), ("no", "not covered")))
    lines = [
        f"transformers {transformers.__version__}: {len(judged)} classes, {said}.",
        "",
        "| model type | class | modalities beside text | experts | covered |",
        "|---|---|---|---|---|",
    ]
    for one in judged:
        covered = f"no: {'; '.join(one.why)}" if one.why else one.covered
        if one.stood_in:
            covered += f" ({one.stood_in} stood in for)"
        elif one.unbuilt:
            covered += f" (by its class alone: {one.unbuilt})"
        lines.append(f"| {one.model_type} | {one.kind} | {', '.join(one.modalities)} | {one.experts} | {covered} |")
    return "\n".join(lines) + "\n"


def written(text: str, found: str) -> str:
    """The page `text` with the table `found` in it."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + found + END + tail


def main() -> None:
    """Prints or writes the table."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--write", action="store_true", help="put the table into docs/models.md")
    args = words.parse_args()
    found = table(list(judge_all()))
    if args.write:
        DOCS.write_text(written(DOCS.read_text(encoding="utf-8"), found), encoding="utf-8", newline="\n")
    print(found, end="")


if __name__ == "__main__":
    main()
