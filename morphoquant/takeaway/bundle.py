"""The paper bundle: one zip with figures as PDF, their data, tables, a LaTeX file that holds them, and where they come from."""

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from morphoquant.core.selection import narrow
from morphoquant.figures.paper import WIDTHS, render
from morphoquant.figures.press.support import ExportError
from morphoquant.queries.compare import run_labels
from morphoquant.store.atomic import write_bytes
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway import latex_page, provenance
from morphoquant.takeaway.asked import Asked, answer, check_runs
from morphoquant.takeaway.command import export_words, filter_words, written
from morphoquant.takeaway.facts import filters_in_words, involved, run_title, sentence, view_in_words
from morphoquant.takeaway.latex_page import Float
from morphoquant.takeaway.paper_tables import TABLES
from morphoquant.takeaway.provenance import Entry

Told = Callable[[str, int, int], None]
# All files of a bundle carry this time, so that equal bundles are equal byte for byte; the zip format begins in 1980.
_TIME = (1980, 1, 1, 0, 0, 0)
# More runs than these are counted in a caption; the note names them all.
_NAMED = 6
_READABLE = 0o644 << 16
Files = dict[str, bytes]


def write_bundle(path: Path, store: RunStore, figures: Sequence[Asked], tables: Sequence[Asked], told: Told) -> Path:
    """Writes `bundle` to `path`, whole or not at all.

    Raises:
        ExportError: the suffix is not .zip.
        StoreError: the file cannot be written.
        MorphoQuantError: see `bundle`.
    """
    if path.suffix.lower() != ".zip":
        raise ExportError(f"cannot write a bundle to {path.name!r}: a bundle is one .zip file, such as paper.zip.")
    write_bytes(path, bundle(store, figures, tables, told))
    return path


def bundle(store: RunStore, figures: Sequence[Asked], tables: Sequence[Asked], told: Told = lambda *_: None) -> bytes:
    """The zip file. Equal runs and questions give equal bytes.

    Args:
        store: holds the runs.
        figures: views, in the order of the paper.
        tables: likewise; `Asked.view` names one of `paper_tables.TABLES`.
        told: called with (stage, done, total).

    Raises:
        ExportError: nothing is chosen, an unknown width, or a figure that cannot be printed.
        MorphoQuantError: a run cannot answer; see `asked.answer`.
    """
    if not (figures or tables):
        raise ExportError("a bundle needs a figure or a table: name some, or add them where they are shown.")
    files: Files = {}
    floats, entries, runs = [], [], {}
    total = len(figures) + len(tables)
    for place, asked in enumerate(figures, 1):
        told("drawing", place - 1, total)
        one, entry, of = _figure(store, asked, f"{place:02d}-{asked.view}", files)
        floats, entries, runs = [*floats, one], [*entries, entry], runs | {run.run_id: run for run in of}
    for place, asked in enumerate(tables, 1):
        told("drawing", len(figures) + place - 1, total)
        one, entry, of = _table(store, asked, f"{place:02d}-{asked.view}", files)
        floats, entries, runs = [*floats, one], [*entries, entry], runs | {run.run_id: run for run in of}
    everything = involved(store, list(runs.values()))
    files[latex_page.NAME] = latex_page.page(floats, everything).encode()
    files["PROVENANCE.md"] = provenance.as_markdown(entries, everything).encode()
    files["provenance.json"] = provenance.as_json(entries, everything).encode()
    told("drawing", total, total)
    return _zipped(files)


def _figure(store: RunStore, asked: Asked, stem: str, files: Files) -> tuple[Float, Entry, tuple[Run, ...]]:
    found = answer(store, asked)
    view, asked = found.view, found.asked
    drawn, data = f"figures/{stem}.pdf", f"data/{stem}.csv"
    files[drawn] = render(found.figure, found.frame, ".pdf", asked.width)
    files[data] = render(None, found.frame, ".csv")
    subject = _subject(view_in_words(view, asked.selection), found.runs)
    whole = _subject(view_in_words(view, asked.selection, short=False), found.runs)
    one = Float(
        "figure", drawn, view.title, subject, view.told(found.frame, asked.selection), f"fig:{stem}", asked.width == "double"
    )
    command = written(export_words(asked, Path(drawn).name))
    return one, Entry((drawn, data), view.title, view.question, whole, asked.runs, command), found.runs


def _table(store: RunStore, asked: Asked, stem: str, files: Files) -> tuple[Float, Entry, tuple[Run, ...]]:
    table = TABLES[asked.view]
    if asked.width not in WIDTHS:
        raise ExportError(f"unknown width {asked.width!r}: allowed are {', '.join(WIDTHS)}.")
    runs = [store.open(run_id) for run_id in asked.runs]
    check_runs(table, runs)
    selection = narrow(asked.selection, table.takes)
    frame = table.rows(store, runs, selection)
    text, data = f"tables/{stem}.tex", f"data/table-{stem}.csv"
    files[text], files[data] = render(None, frame, ".tex"), render(None, frame, ".csv")
    subject = _subject(filters_in_words(selection, table.takes), runs)
    one = Float("table", text, table.title, subject, table.how_to_read, f"tab:{stem}", asked.width == "double")
    words = ["bundle", f"{stem}.zip", "--tables", f"{asked.view}:{asked.width}", "--run", *asked.runs, *filter_words(selection)]
    return one, Entry((text, data), table.title, table.how_to_read, subject, asked.runs, written(words)), tuple(runs)


def _subject(filters: list[str], runs: Sequence[Run]) -> str:
    """ "Layer L3 mlp.down_proj, text, without first tokens; run: morphoquant w4a4." """
    if not runs:
        return sentence([", ".join(filters)])
    quantised = all(run.plan.kind == "quantize" for run in runs)
    names = run_labels(list(runs)) if quantised else list(dict.fromkeys(run_title(run) for run in runs))
    shown = ", ".join(names) if len(names) <= _NAMED else f"{len(runs)} of them"
    return sentence([", ".join(filters), f"run{'s' * (len(runs) > 1)}: {shown}"])


def _zipped(files: Files) -> bytes:
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, _TIME)
                entry.external_attr = _READABLE
                archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
        return buffer.getvalue()
