"""The report of one run: a self-contained HTML file for someone who has neither Python nor the runs."""

from collections.abc import Callable
from html import escape
from pathlib import Path

from morphoquant.core.errors import MorphoQuantError, StoreError
from morphoquant.core.selection import Selection
from morphoquant.figures.press.support import ExportError
from morphoquant.figures.tables import to_html
from morphoquant.store.atomic import write_text
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.asked import answer, asked_of, check_runs
from morphoquant.takeaway.choose import of_run
from morphoquant.takeaway.command import export_words, written
from morphoquant.takeaway.facts import arithmetic, involved, provenance, run_title, sentence, view_in_words
from morphoquant.takeaway.headlines import headlines
from morphoquant.takeaway.main_views import main_views
from morphoquant.takeaway.paper_tables import TABLES
from morphoquant.takeaway.provenance import versions
from morphoquant.takeaway.report_findings import findings_part
from morphoquant.takeaway.report_page import Part, absent, page, tiles
from morphoquant.views.base import VIEWS

# Plotly's script is 4.8 MB of it; figures that would lead beyond are left out, and the report says so.
LARGEST = 8_000_000
_SCRIPT = 5_000_000
_CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
Told = Callable[[str, int, int], None]


def write_report(path: Path, store: RunStore, run: Run, told: Told = lambda *_: None) -> Path:
    """Writes `report` to `path`, whole or not at all.

    Raises:
        ExportError: the suffix is not .html.
        MorphoQuantError: see `report`.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise ExportError(f"cannot write a report to {path.name!r}: a report is one .html file, such as report.html.")
    write_text(path, report(store, run, told))
    return path


def report(store: RunStore, run: Run, told: Told = lambda *_: None) -> str:
    """The file: the run in few numbers and sentences, tables, the main figures by modality, plan and versions.

    It is at most `LARGEST` characters and fetches nothing. A figure that the run cannot give stands there with the reason.

    Args:
        store: holds the run, its capture, and those that may stand beside it.
        run: what it is about.
        told: called with (stage, done, total).

    Raises:
        CompareError: a run of that kind has no figures.
        StoreError: the run is not finished, or damaged.
    """
    names, tables = main_views(run.plan.kind)
    if run.header.status != "finished":
        raise StoreError(
            f"run {run.run_id!r} is {run.header.status}, there is nothing to report yet: wait for it or start it again."
        )
    opening = _opening(run)
    shown, room = [], LARGEST - _SCRIPT
    for place, name in enumerate(names):
        told("drawing", place, len(names))
        part = _figure(store, run, name, room)
        room -= len(part.body)
        shown.append(part)
    told("drawing", len(names), len(names))
    sentences = findings_part(store, run)
    chapters = [
        ("What the run shows", [sentences] if sentences else []),
        ("Tables", [_table(store, run, name) for name in tables]),
        ("Figures", shown),
        ("Where the numbers come from", [_plan(one) for one in involved(store, [run])] + [_versions()]),
    ]
    return page(_title(run), opening, chapters)


def _title(run: Run) -> str:
    return (
        f"{run_title(run)} on {run.plan.model.get('id', 'an unnamed model')}" if run.plan.kind == "quantize" else run_title(run)
    )


def _opening(run: Run) -> str:
    model = run.plan.model
    facts = [
        f"MorphoQuant report of run {run.run_id}",
        f"model {model.get('id', 'unnamed')}",
        f"finished {(run.header.finished or '')[:10]}",
    ]
    said = f'<p class="soft">{escape(", ".join(facts))}</p><p>{escape(arithmetic(run.header))}</p>'
    return said + tiles((one.label, one.value, one.note) for one in headlines(run))


def _table(store: RunStore, run: Run, name: str) -> Part:
    table, anchor = TABLES[name], f"table-{name}"
    try:
        runs = of_run(store, run, table)
        check_runs(table, runs)
        body = f'<div class="wide">{to_html(table.rows(store, runs, Selection()))}</div>'
    except MorphoQuantError as error:
        return Part(anchor, table.title, absent(str(error)))
    return Part(anchor, table.title, f'<p class="soft">{escape(table.how_to_read)}</p>{body}')


def _figure(store: RunStore, run: Run, name: str, room: int) -> Part:
    view = VIEWS[name]
    try:
        found = answer(store, asked_of(view, of_run(store, run, view), Selection(), "double"))
    except MorphoQuantError as error:
        return Part(name, view.title, absent(str(error)))
    again = written(export_words(found.asked, f"{name}.pdf"))
    # The page's own width is the figure's; its height is the figure's own.
    drawn = found.figure.to_html(include_plotlyjs=False, full_html=False, div_id=f"figure-{name}", config=_CONFIG)
    if len(drawn) > room:
        drawn = absent(f"the report would grow beyond {LARGEST / 1e6:.0f} MB; the command below draws it.")
    subject = sentence([", ".join(view_in_words(view, found.asked.selection, short=False))])
    asked = f'<p class="soft">{escape(f"{view.question} {subject}")}</p>'
    told = escape(view.told(found.frame, found.asked.selection))
    drawn = f'<figure aria-label="{escape(view.title)}">{drawn}<figcaption>{told}</figcaption></figure>'
    body = f"{asked}{drawn}<details><summary>For a paper</summary><code>{escape(again)}</code></details>"
    return Part(name, view.title, body)


def _plan(run: Run) -> Part:
    body = f'<p>{escape(arithmetic(run.header))}</p><div class="plan">{to_html(provenance(run.header))}</div>'
    return Part(f"run-{run.run_id}", run_title(run), body)


def _versions() -> Part:
    drawn = ", ".join(f"{name} {number}" for name, number in versions().items())
    return Part("versions", "Drawn by", f"<p>{escape(drawn)}.</p>")
