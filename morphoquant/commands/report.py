"""report: one run as a self-contained HTML file."""

from pathlib import Path


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "report",
        parents=[shared],
        help="one run as one HTML file for someone without Python",
        description="Write the main numbers, tables and figures of RUN, its plan and versions, to one HTML file of at most 8 MB "
        "that opens in any browser without a network.",
        epilog="example: python -m morphoquant report morphoquant-w4a4 report.html",
    )
    verb.add_argument("run_id", metavar="RUN", help="a run; or capture, quantize, ... or a method and spec for the newest one")
    verb.add_argument("file", type=Path, metavar="FILE", help="target, such as report.html")
    verb.set_defaults(run=run)


def run(args) -> None:
    """Writes the report."""
    from morphoquant import open
    from morphoquant.store.run_store import RunStore
    from morphoquant.takeaway.report import write_report

    print(write_report(args.file, RunStore(args.cache), open(args.run_id, args.cache), args.progress))
