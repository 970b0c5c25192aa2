"""export: a figure or its data as a file for a paper."""

import json
from pathlib import Path

from morphoquant.core.evaluation import SUBJECTS
from morphoquant.core.modality import Modality, Position


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
    verb.add_argument("--run", nargs="+", default=[], metavar="RUN", dest="run_ids", help="runs to show, in the order wanted")
    verb.add_argument("--width", choices=("single", "double"), default="single", help="column width of a paper (default: single)")
    verb.add_argument("--layer", help="full name of a linear")
    verb.add_argument("--component", help="language, vision, audio, connector or head")
    verb.add_argument("--role", help="q_proj, down_proj, ...")
    verb.add_argument(
        "--modality", nargs="+", default=[], choices=[str(m) for m in Modality], help="modalities (default: all present)"
    )
    verb.add_argument("--with-first", action="store_true", help="take in the first token of each sequence")
    verb.add_argument("--channel", type=int, help="input channel")
    verb.add_argument("--subject", nargs="+", default=[], choices=SUBJECTS, help="what was asked about (default: all)")
    verb.add_argument("--measure", help="measure, for views that offer several")
    verb.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="what-if settings, such as bits=3 search=yes")
    verb.set_defaults(run=run)


def run(args) -> None:
    """Writes the file, or lists the views."""
    from morphoquant.core.errors import CompareError
    from morphoquant.core.selection import Selection
    from morphoquant.core.what_if import WhatIf
    from morphoquant.figures.paper import export
    from morphoquant.store.run_store import RunStore
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
    selection = Selection(
        layer=args.layer,
        component=args.component,
        role=args.role,
        modalities=tuple(Modality(name) for name in args.modality),
        positions=tuple(Position) if args.with_first else (Position.REST,),
        channel=args.channel,
        measure=args.measure,
        subjects=tuple(args.subject),
        what_if=WhatIf.read(dict(pair.partition("=")[::2] for pair in args.set)),
    )
    frame = view.query(store, runs, selection)
    print(export(view.draw(frame, selection), frame, args.file, args.width))


def _list(views, as_json: bool) -> None:
    rows = [
        {"name": n, "title": v.title, "runs": v.runs, "takes": sorted(v.takes), "question": v.question} for n, v in views.items()
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(f"{row['name']:22} {row['question']}\n{'':22} runs: {row['runs']}; takes: {', '.join(row['takes'])}")
