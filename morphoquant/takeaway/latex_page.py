"""The LaTeX file of a bundle: every figure at its own width in a page of two columns, every table, and a list of the runs."""

from collections.abc import Iterable
from dataclasses import dataclass

from morphoquant import __version__
from morphoquant.figures.latex import code, escaped
from morphoquant.figures.paper import WIDTHS
from morphoquant.store.run import Run
from morphoquant.takeaway.facts import arithmetic, run_title

NAME = "bundle.tex"
_FLOATS_A_FLUSH = 16  # TeX holds some fifty that have no place yet; a page takes a few
_HEAD = rf"""% Made by MorphoQuant {__version__}. Compile it in its folder: pdflatex {NAME}
\documentclass[10pt,twocolumn]{{article}}
\usepackage[T1]{{fontenc}}
\usepackage[utf8]{{inputenc}}
\IfFileExists{{lmodern.sty}}{{\usepackage{{lmodern}}}}{{}}
\usepackage{{graphicx,booktabs}}
\usepackage[textwidth={WIDTHS["double"]}in,columnsep={WIDTHS["double"] - 2 * WIDTHS["single"]:.2f}in,textheight=9.4in]{{geometry}}
% A figure at its own width, smaller only where the page is too low for it; a table no wider than its column.
\newcommand{{\mqfigure}}[1]{{\includegraphics[width=\linewidth,height=0.85\textheight,keepaspectratio]{{#1}}}}
\newsavebox{{\mqbox}}
\newcommand{{\mqtable}}[1]{{\sbox{{\mqbox}}{{\small\input{{#1}}\unskip}}%
  \ifdim\wd\mqbox>\linewidth\resizebox{{\linewidth}}{{!}}{{\usebox{{\mqbox}}}}\else\usebox{{\mqbox}}\fi}}
\makeatletter
\setlength{{\@fptop}}{{0pt}}
\setlength{{\@dblfptop}}{{0pt}}
\setlength{{\@fpsep}}{{20pt}}
\setlength{{\@dblfpsep}}{{20pt}}
\makeatother
\renewcommand{{\floatpagefraction}}{{0.6}}
\renewcommand{{\dblfloatpagefraction}}{{0.6}}
\setlength{{\emergencystretch}}{{3em}}
\begin{{document}}
"""


@dataclass(frozen=True)
class Float:
    """A figure or a table of the page.

    Attributes:
        kind: "figure" or "table".
        file: its path in the bundle.
        title: the caption's first words.
        subject: what it is of: layer, filters, runs.
        how_to_read: one or two sentences.
        label: for \\ref, unique.
        wide: whether it spans both columns.
    """

    kind: str
    file: str
    title: str
    subject: str
    how_to_read: str
    label: str
    wide: bool


def page(floats: Iterable[Float], runs: Iterable[Run]) -> str:
    """The whole file."""
    parts = [_HEAD]
    for place, one in enumerate(floats, 1):
        parts.append(_float(one))
        if place % _FLOATS_A_FLUSH == 0:
            parts.append("\\clearpage\n")
    parts.append("\\clearpage\n\\section*{Where the numbers come from}\n")
    if described := [_run(run) for run in runs]:
        # LaTeX refuses a list without an item.
        parts += ["\\begin{description}\n", *described, "\\end{description}\n"]
    parts.append(f"Plans, versions and the command that makes each figure again: {code('PROVENANCE.md')}.\n")
    return "".join([*parts, "\\end{document}\n"])


def _float(one: Float) -> str:
    where = one.kind + "*" * one.wide
    body = f"\\mq{one.kind}{{{one.file}}}"
    words = rf"\textbf{{{escaped(one.title)}.}} {escaped(one.how_to_read)} {escaped(one.subject)}"
    said = rf"\caption{{{words}\label{{{one.label}}}}}"
    lines = [said, r"\vspace{4pt}", body] if one.kind == "table" else [body, said]
    return "\n".join([f"\\begin{{{where}}}[{'tbp' if one.wide else 'htbp'}]", "\\centering", *lines, f"\\end{{{where}}}", "", ""])


def _run(run: Run) -> str:
    plan = run.plan
    said = [f"{run_title(run)}.", f"Seed {plan.seed}, engine {plan.code}.", arithmetic(run.header)]
    return f"\\item[{{{code(run.run_id)}}}] {escaped(' '.join(said))}\n"
