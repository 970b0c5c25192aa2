"""bundle: figures and tables with their data, a LaTeX file and a provenance note, in one zip."""

from pathlib import Path

from morphoquant.commands import selecting

WIDTHS = ("single", "double")


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "bundle",
        parents=[shared],
        help="figures, tables and their data for a paper, in one zip",
        description="Write figures as PDF in the width of a column, tables as LaTeX, the data of both as CSV, a LaTeX file that "
        "compiles with them, and a note on where they come from, to one zip file. Each view is put to those of the runs that it "
        "can show, or to the newest ones without --run. Without --views and --tables it holds the main figures and tables of the "
        "first run, or of the newest quantize run. Filters count where a view takes them.",
        epilog="example: python -m morphoquant bundle paper.zip --views compare_methods:double layer_error channel_ranges "
        "--tables methods cost --modality image audio",
    )
    verb.add_argument("file", nargs="?", type=Path, metavar="FILE", help="target, such as paper.zip")
    verb.add_argument("--list", action="store_true", help="list the tables; export --list lists the views")
    form = "[:single|double][:MEASURE]"
    verb.add_argument("--views", nargs="+", default=[], metavar="VIEW", help=f"figures, in the order wanted: VIEW{form}")
    verb.add_argument("--tables", nargs="+", default=[], metavar="TABLE", help="tables likewise: TABLE[:single|double]")
    verb.add_argument("--width", choices=WIDTHS, help="column width where none is said (default: as each one needs)")
    selecting.add_filters(verb)
    verb.set_defaults(run=run)


def run(args) -> None:
    """Writes the bundle, or lists the tables."""
    from morphoquant.core.errors import CompareError
    from morphoquant.store.run_store import RunStore
    from morphoquant.takeaway.bundle import write_bundle
    from morphoquant.takeaway.paper_tables import TABLES

    if args.list:
        for name, table in TABLES.items():
            print(f"{name:14} {table.title}. {table.how_to_read}")
            print(f"{'':14} runs: {table.runs}; takes: {', '.join(sorted(table.takes))}")
        return
    if not args.file:
        raise CompareError("bundle needs a file, for example: python -m morphoquant bundle paper.zip --views layer_error.")
    store = RunStore(args.cache)
    runs = [store.open(name) for name in args.run_ids]
    figures, tables = _named(args, store, runs) if args.views or args.tables else _main(args, store, runs)
    print(write_bundle(args.file, store, figures, tables, args.progress))


def _named(args, store, runs) -> tuple[list, list]:
    """The figures and tables that the words name.

    Raises:
        MorphoQuantError: a name, width or measure is unknown, or no run fits.
    """
    from morphoquant.takeaway.paper_tables import TABLES
    from morphoquant.views.base import VIEWS

    figures = [_asked(args, store, VIEWS[word.partition(":")[0]], word, runs) for word in args.views]
    return figures, [_asked(args, store, TABLES[word.partition(":")[0]], word, runs) for word in args.tables]


def _asked(args, store, view, word: str, runs: list):
    from morphoquant.core.errors import StoreError, UnknownNameError
    from morphoquant.takeaway.asked import Asked, kind
    from morphoquant.takeaway.choose import among, newest
    from morphoquant.takeaway.main_views import needed

    width, measure = args.width or needed(view), None
    measures = [one.name for one in getattr(view, "measures", ())]
    for part in word.split(":")[1:]:
        if part in WIDTHS:
            width = part
        elif part in measures:
            measure = part
        else:
            raise UnknownNameError(f"width or measure of {view.name!r}", part, [*WIDTHS, *measures])
    chosen = among(view, runs) if runs else newest(store, view)
    if not chosen:
        raise StoreError(f"none of the runs named is a {kind(view)} run, which {view.name!r} shows: add one to --run.")
    return Asked(view.name, tuple(one.run_id for one in chosen), selecting.selected(args, measure), width)


def _main(args, store, runs: list) -> tuple[list, list]:
    """The main figures and tables of the first run, or of the newest quantize run; figures that cannot be had are said."""
    import sys

    from morphoquant.core.errors import MorphoQuantError
    from morphoquant.takeaway.asked import Asked, answer
    from morphoquant.takeaway.choose import among, kin, of_run
    from morphoquant.takeaway.main_views import main_views, needed
    from morphoquant.takeaway.paper_tables import TABLES
    from morphoquant.views.base import VIEWS

    subject = runs[0] if runs else kin(store)[-1]
    names, tables = main_views(subject.plan.kind)

    def asked(view) -> Asked:
        chosen = among(view, runs) if len(runs) > 1 else of_run(store, subject, view)
        return Asked(view.name, tuple(run.run_id for run in chosen), selecting.selected(args), args.width or needed(view))

    figures = []
    for name in names:
        try:
            one = asked(VIEWS[name])
            answer(store, one)
            figures.append(one)
        except MorphoQuantError as error:
            print(f"left out {name}: {error}", file=sys.stderr)
    return figures, [asked(TABLES[name]) for name in tables]
