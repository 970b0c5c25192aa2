"""The HTML of a report: one file that opens without a network, on screen and on paper."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from plotly.offline import get_plotlyjs

# Nothing may be fetched, by this page or by anything in it.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_STYLE = """
:root { color-scheme: light; --ink: #222; --soft: #595959; --line: #d9d9d9; --back: #f6f7f9; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1100px; padding: 24px 28px 64px; color: var(--ink); background: #fff;
  font: 16px/1.5 "Source Sans Pro", Helvetica, Arial, sans-serif; }
h1 { font-size: 30px; line-height: 1.2; margin: 8px 0 4px; }
h2 { font-size: 22px; margin: 44px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 17px; margin: 0; }
p { margin: 4px 0 10px; }
a { color: #005a8e; }
code { font-size: 13px; overflow-wrap: anywhere; }
.soft, figcaption { color: var(--soft); font-size: 14px; }
nav ul { columns: 3 220px; margin: 8px 0; padding-left: 18px; font-size: 15px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 12px; margin: 16px 0; }
.tile { background: var(--back); border-radius: 8px; padding: 12px 16px; }
.tile b { display: block; font-size: 26px; line-height: 1.25; overflow-wrap: anywhere; }
section.part { margin: 28px 0; break-inside: avoid; }
figure { margin: 6px 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; margin: 6px 0; }
th, td { padding: 4px 14px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { border-bottom: 1px solid var(--ink); white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.wide td, .plan td:first-child { white-space: nowrap; }
.plan td { overflow-wrap: anywhere; }
.findings li { margin: 12px 0; break-inside: avoid; }
.findings p { margin: 2px 0; }
.chip { background: var(--back); border: 1px solid var(--line); border-radius: 10px; padding: 0 8px; font-size: 13px; }
details { margin: 4px 0; font-size: 14px; }
summary { cursor: pointer; color: var(--soft); }
.absent { background: var(--back); border-left: 3px solid var(--line); padding: 8px 12px; font-size: 14px; }
@media print { nav, summary { display: none; } body { max-width: none; padding: 0; } }
"""


@dataclass(frozen=True)
class Part:
    """One part of the page under its own heading.

    Attributes:
        name: its anchor.
        title: its heading.
        body: HTML.
    """

    name: str
    title: str
    body: str


def page(title: str, opening: str, chapters: Sequence[tuple[str, Sequence[Part]]]) -> str:
    """The whole file.

    Args:
        title: plain text.
        opening: HTML between the title and the contents.
        chapters: (heading in plain text, its parts); a chapter without parts is left out.
    """
    chapters = [(heading, parts) for heading, parts in chapters if parts]
    links = "".join(
        f'<li><a href="#{escape(part.name)}">{escape(part.title)}</a></li>' for _, parts in chapters for part in parts
    )
    bodies = "".join(f"<h2>{escape(heading)}</h2>{''.join(map(_part, parts))}" for heading, parts in chapters)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>\n"
        f'<body><main><h1>{escape(title)}</h1>{opening}<nav aria-label="Contents"><ul>{links}</ul></nav>'
        f'<noscript><p class="absent">The figures need JavaScript; the tables do not.</p></noscript>{bodies}</main></body>'
        "</html>\n"
    )


def tiles(shown: Iterable[tuple[str, str, str]]) -> str:
    """Numbers in a row: (label, value, note), plain text."""
    soft = '<span class="soft">{}</span>'.format
    boxes = (
        f'<div class="tile">{soft(escape(label))}<b>{escape(value)}</b>{soft(escape(note))}</div>' for label, value, note in shown
    )
    return f'<div class="tiles">{"".join(boxes)}</div>'


def absent(reason: str) -> str:
    """A box in place of a figure, with the reason, plain text."""
    return f'<p class="absent">Not shown: {escape(reason)}</p>'


def _part(part: Part) -> str:
    return f'<section class="part" id="{escape(part.name)}"><h3>{escape(part.title)}</h3>{part.body}</section>'
