"""evaluate: asks closed questions of a model in full precision and quantised, and prints how often it is right."""

from pathlib import Path

from morphoquant.commands import asking, words
from morphoquant.core.spec import SPEC_FORM


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "evaluate",
        parents=[shared],
        help="ask a model questions, in full precision and quantised",
        description="Ask a model closed questions about text, pictures, sounds and videos, in full precision and with every "
        "method at every spec: accuracy with intervals, distance from full precision, perplexity, and paired tests on the same "
        "items. Without --method only full precision is asked. With --calibrate-on the method is fitted once to each set: the "
        "calibration matrix.",
        epilog="example: python -m morphoquant evaluate demo --method rtn dabc mdqfo morphoquant --spec w8a8 w4a8 w4a4",
    )
    asking.add_words(verb, items=200)
    verb.add_argument(
        "--method", "--methods", nargs="+", default=[], help="methods, with fields: name[:field=value,...] (default: none)"
    )
    verb.add_argument(
        "--spec",
        "--specs",
        nargs="+",
        default=["w4a4"],
        help=f"specs: {SPEC_FORM} (default: w4a4)",
    )
    verb.add_argument(
        "--calibrate-on",
        nargs="+",
        metavar="SET",
        help=f"calibration sets, each fitted to by itself: {' '.join(asking.SHORT)}, or other data (default: --data)",
    )
    verb.add_argument(
        "--allocation",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="allocations of the verb allocate, each with its own method and a spec for each layer group",
    )
    verb.add_argument(
        "--write-items",
        type=Path,
        metavar="FOLDER",
        help="write the items that --tasks, --items and --seed draw into FOLDER, in the form that --item-file reads, and end",
    )
    verb.add_argument("--no-control", dest="control", action="store_false", help="do not ask again with the media of other items")
    verb.add_argument("--json", action="store_true", help="print the results as JSON")
    words.add_memory_words(verb)
    words.add_preflight_words(verb)
    words.add_processes_word(verb)
    words.add_names(verb)
    verb.set_defaults(run=run)


def run(args) -> str | None:
    """Evaluates; what is in the cache is not asked again."""
    if args.write_items:
        print(asking.write_drawn(args))
        return None
    pairs = words.pairs(args) + [_allocated(path) for path in args.allocation]

    from morphoquant.commands import answer_tables, preflight, workload
    from morphoquant.data.passages import perplexity_texts
    from morphoquant.runs.evaluate import evaluate
    from morphoquant.store.run_store import RunStore

    store, sets = RunStore(args.cache), asking.sets(args.calibrate_on or [args.data]) if pairs else []
    loaded = preflight.load_checked(asking.named(args), preflight.Job(pairs, sets=sets, asks=True, reads_on=True))
    if loaded is None:
        return None
    asked = asking.make_items(args, loaded)
    with workload.fits_for_forwards(args, loaded, pairs) as held:
        done = evaluate(
            loaded,
            asked.items,
            pairs,
            store=store,
            captures=asking.captures(args, loaded, sets, pairs),
            data=asked.name,
            texts=perplexity_texts(),
            scope=args.scope,
            control=args.control,
            batch=args.batch,
            seed=args.seed,
            keep_bytes=args.keep_bytes,
            held=held,
            together=args.together,
            progress=args.progress,
        )
    refused = [*asked.refused, *asking.refused_in(done[0])]  # the same in every run
    if args.json:
        print(answer_tables.as_json(store, done, refused))
    else:
        answer_tables.show(store, done)
        print(f"\nruns {', '.join(one.run_id for one in done)} are in {done[0].folder.parent}")
    asking.tell_refused(refused)
    return done[-1].run_id


def _allocated(path: Path) -> tuple:
    """The method and spec that measure an allocation, checked before anything is loaded."""
    from morphoquant.core.allocation import Allocation
    from morphoquant.runs.allocated import allocated

    method, spec = allocated(Allocation.read(path))
    method.check(spec)
    return method, spec
