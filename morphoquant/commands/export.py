"""export: a figure or its data as a file for a paper."""

import json
from pathlib import Path

from morphoquant.commands import selecting


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "export",
        parents=[shared],
        help="write a figure or its data to a file",
        description="Write a view of one or more runs to FILE; its suffix chooses the format: pdf, svg, png, html, csv, md, tex. "
        "Without RUN the newest finished run that the view can show is taken.",
        epilog="example: python -m morphoquant export layer_error errors.pdf --width double --modality image audio",
    )
    verb.add_argument("view", nargs="?", metavar="VIEW", help="name of the view; see --list")
    verb.add_argument("file", nargs="?", type=Path, metavar="FILE", help="target, such as errors.pdf")
    verb.add_argument("--list", action="store_true", help="list the views and what each takes")
    verb.add_argument("--json", action="store_true", help="with --list: as JSON")
    verb.add_argument("--width", choices=("single", "double"), default="single", help="column width of a paper (default: single)")
    selecting.add_filters(verb)
    verb.add_argument("--measure", help="measure, for views that offer several")
    verb.set_defaults(run=run)


def run(args) -> None:
    """Writes the file, or lists the views."""
    from morphoquant.core.errors import CompareError
    from morphoquant.figures.paper import export
    from morphoquant.store.run_store import RunStore
    from morphoquant.takeaway.asked import Asked, answer
    from morphoquant.takeaway.choose import newest
    from morphoquant.views.base import VIEWS

    if args.list:
        _list(VIEWS, args.json)
        return
    if not (args.view and args.file):
        raise CompareError("export needs a view and a file, for example: python -m morphoquant export layer_error errors.pdf.")
    view = VIEWS[args.view]
    store = RunStore(args.cache)
    runs = [store.open(name) for name in args.run_ids] or newest(store, view)
    found = answer(store, Asked(view.name, tuple(run.run_id for run in runs), selecting.selected(args, args.measure)))
    print(export(found.figure, found.frame, args.file, args.width))


def _list(views, as_json: bool) -> None:
    rows = [
        {"name": n, "title": v.title, "runs": v.runs, "takes": sorted(v.takes), "question": v.question}
        for n, v in [*views.items(), *views.several().items()]
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(f"{row['name']:22} {row['question']}\n{'':22} runs: {row['runs']}; takes: {', '.join(row['takes'])}")
