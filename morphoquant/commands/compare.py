"""compare: methods and bit-widths side by side, by modality; makes the runs first where methods are named."""

import json
import sys

from morphoquant.commands import asking, words
from morphoquant.core.errors import CompareError
from morphoquant.core.offered import EXAMPLES, NAMES
from morphoquant.core.spec import SPEC_FORM

FORMATS = ("text", "csv", "md", "tex", "json")


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "compare",
        parents=[shared],
        help="methods and bit-widths side by side, by modality",
        description="Print the error of quantize runs by modality, and how often they answer right where the same methods were "
        "evaluated. Without RUNS: all finished ones that share the newest one's capture, evaluation data and scope. Runs that "
        "differ in anything but method, fields and spec are refused. Evaluate runs can be given instead. With --method the runs "
        "are made first, what is in the cache apart: every method is fitted to one capture, measured on the same samples and "
        "asked the same questions; one that fails is said and leaves the others whole.",
        epilog="example: python -m morphoquant compare --format tex > table.tex; "
        "python -m morphoquant compare --method all --spec w4a4 --items 40",
    )
    verb.add_argument("runs", nargs="*", metavar="RUN", help="quantize runs, or evaluate runs, in the order wanted")
    verb.add_argument("--format", choices=FORMATS, default="text", help="text, csv, md, tex or json (default: text)")
    verb.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    verb.add_argument(
        "--with-first", action="store_true", help="take in the first token of each sequence, where attention sinks live"
    )
    making = verb.add_argument_group("to make the runs first")
    making.add_argument("--method", "--methods", nargs="+", default=[], help="methods, with fields; all: every one listed below")
    making.add_argument("--spec", "--specs", nargs="+", default=["w4a4"], help=f"specs: {SPEC_FORM} (default: w4a4)")
    making.add_argument("--items", type=int, default=0, help="questions of each task to ask every method (default: 0, none)")
    making.add_argument(
        "--asked-scope",
        nargs="+",
        metavar="PART",
        default=["language"],
        help="parts that are quantised while questions are asked (default: language)",
    )
    words.add_model_words(making)
    words.add_memory_words(making)
    words.add_capture_words(making)
    words.add_quantize_words(making)
    words.add_preflight_words(making)
    words.add_names(verb)
    verb.set_defaults(run=run, tasks=None, item_file=None)


def run(args) -> None:
    """Prints the comparison."""
    from morphoquant.store.run_store import RunStore
    from morphoquant.takeaway.choose import kin

    store = RunStore(args.cache)
    if args.method and args.runs:
        raise CompareError("--method makes runs and RUNS names some: give one of the two.")
    named = [store.open(name) for name in args.runs]
    runs, failures, tried = _made(args, store) if args.method else (named or kin(store), [], 0)
    if args.method and args.preflight:
        return
    if all(run.plan.kind == "evaluate" for run in runs):
        show_evaluations(store, runs, args.format)
    else:
        show(store, runs, args.format, args.with_first)
    if failures:
        for one in failures:
            print(f"{one.method} {one.spec}: {one.reason}", file=sys.stderr)
        # A method whose questions failed is among the runs all the same.
        count = f"{len(failures)} of {tried}"
        raise CompareError(f"{count} failed as a whole or in part, see above; what was made is stored and shown.")


def _made(args, store) -> tuple[list, list, int]:
    """Quantize runs of the words' methods, evaluated too where questions are wanted, the failures, and of how many methods at a
    spec, each counted once; no runs and no failures with --preflight.

    Raises:
        CompareError: not one could be made.
    """
    from morphoquant.commands import preflight, quantize, workload
    from morphoquant.runs.comparison import each, honoured, together

    args.method = [*NAMES, *EXAMPLES] if args.method == ["all"] else args.method
    wanted = list(dict.fromkeys(words.parsed(args)))
    pairs, failures = honoured(wanted)
    job = preflight.Job(
        pairs,
        measured=[(args.eval_data, args.eval_samples)],
        asks=bool(args.items),
        reads_on=bool(args.items),
        apart=True,
    )
    loaded = preflight.load_checked(args, job)
    if loaded is None:
        return [], [], len(wanted)
    captured = workload.make_capture(args, loaded)
    size = together(loaded.model)

    def made(some) -> list:
        with workload.fits_for_forwards(args, loaded, some if args.items else []) as held:  # fitted once for both
            measured = quantize.make(args, loaded, captured, some, held)
            if args.items:
                failures.extend(each(some, lambda few: _asked(args, store, loaded, captured, few, held), size)[1])
        return measured

    runs, failed = each(pairs, made, size)
    failures += failed
    if not runs:
        raise CompareError(f"none of the methods can be compared; the first: {failures[0].reason}")
    return runs, failures, len(wanted)


def _asked(args, store, loaded, captured, pairs, held) -> list:
    """Evaluations of the pairs on freshly drawn questions."""
    from morphoquant.runs.evaluate import evaluate

    asked = asking.make_items(args, loaded)
    return evaluate(
        loaded,
        asked.items,
        pairs,
        store=store,
        captures=[captured],
        data=asked.name,
        scope=args.asked_scope,
        batch=asking.BATCH,
        seed=args.seed,
        keep_bytes=args.keep_bytes,
        held=held,
        progress=args.progress,
    )[1:]


def show(store, runs: list, form: str, with_first: bool = False) -> None:
    """Prints the comparison of `runs` in one of `FORMATS`."""
    from morphoquant.core.modality import CONTENT, Position
    from morphoquant.core.selection import Selection
    from morphoquant.figures.tables import to_csv, to_latex, to_markdown
    from morphoquant.queries.compare import compare_methods
    from morphoquant.queries.compare_accuracy import compare_accuracy, joined
    from morphoquant.queries.compare_cost import BITS, COLUMNS, compare_cost
    from morphoquant.queries.compare_table import compare_table

    positions = tuple(Position) if with_first else (Position.REST,)
    compared = compare_methods(runs, Selection(modalities=CONTENT, positions=positions))
    answered = compare_accuracy(store, runs)
    if form == "json":
        print(_json(joined(compared, answered)))
    elif form == "csv":
        print(to_csv(joined(compared, answered)), end="")
    elif form in ("md", "tex"):
        print((to_markdown if form == "md" else to_latex)(_beside(compared, compare_table(compared), answered)), end="")
    else:
        tokens = "all tokens" if with_first else "without the first token of each sequence"
        print(f"SQNR of linear outputs in dB, weights and activations quantised, pooled over layers, {tokens}:")
        print(_aligned(compare_table(compared)))
        print("\nThe layer with the lowest SQNR, in dB:")
        print(_aligned(compare_table(compared, "worst_sqnr_db")))
        print("\nInput values kept in full precision, in percent:")
        print(_aligned(compare_table(compared, "bypass_density")))
        cost = compare_cost(runs).drop(columns="run_id")
        if cost[COLUMNS[0]].notna().any():
            print("\nCost beside the quantised products:")
            bits = cost[BITS].map("{:.4g}".format, na_action="ignore")  # a quarter of a bit is one
            print(_aligned(cost.assign(**{BITS: bits})))
        if not answered.empty:
            print(f"\nRight answers in percent, quantised: {answered['scope'].iat[0]} (see also: evaluate):")
            names = compare_table(compared)[["method", "spec"]]
            print(_aligned(_beside(compared, names, answered)))


def show_evaluations(store, runs: list, form: str) -> None:
    """Prints the accuracy of evaluate runs in one of `FORMATS`."""
    from morphoquant.commands import answer_tables
    from morphoquant.figures.tables import to_csv, to_latex, to_markdown
    from morphoquant.queries.accuracy import accuracy, rows_in_words

    if form == "text":
        answer_tables.show(store, runs)
        return
    frame = accuracy(runs, captures=True)
    if form == "json":
        print(_json(frame))
    elif form == "csv":
        print(to_csv(frame), end="")
    else:
        print((to_markdown if form == "md" else to_latex)(rows_in_words(frame)), end="")


def _beside(compared, table, answered):
    """`table`, a row a run of `compared`, with the accuracies of those runs in further columns."""
    from morphoquant.queries.compare_accuracy import accuracy_columns

    wide = accuracy_columns(answered).reindex(compared["run_id"].unique()).reset_index(drop=True)
    return table.join(wide)


def _json(frame) -> str:
    return json.dumps(json.loads(frame.to_json(orient="records")), indent=1)


def _aligned(table) -> str:
    shown = table.rename(columns=lambda name: name.split(" (")[0])
    return shown.to_string(index=False, float_format=lambda value: f"{value:.1f}", na_rep="-")
