"""compare: methods and bit-widths side by side, by modality."""

import json

from morphoquant.core.errors import CompareError

FORMATS = ("text", "csv", "md", "tex", "json")


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "compare",
        parents=[shared],
        help="methods and bit-widths side by side, by modality",
        description="Print the error of quantize runs by modality. Without RUNS: all finished ones that share the newest one's "
        "capture, evaluation data and scope. Runs that differ in anything but method, fields and spec are refused.",
        epilog="example: python -m morphoquant compare --format tex > table.tex",
    )
    verb.add_argument("runs", nargs="*", metavar="RUN", help="quantize runs, in the order wanted")
    verb.add_argument("--format", choices=FORMATS, default="text", help="text, csv, md, tex or json (default: text)")
    verb.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    verb.add_argument(
        "--with-first", action="store_true", help="take in the first token of each sequence, where attention sinks live"
    )
    verb.set_defaults(run=run)


def run(args) -> None:
    """Prints the comparison."""
    from morphoquant.store.run_store import RunStore

    store = RunStore(args.cache)
    runs = [store.open(name) for name in args.runs] or kin(store)
    show(store, runs, args.format, args.with_first)


def kin(store) -> list:
    """The newest finished quantize run and all that may be compared with it, oldest first.

    Raises:
        CompareError: there is none.
    """
    from morphoquant.queries.compare import comparable

    headers = [entry.header for entry in store.entries() if entry.header]
    runs = [store.open(h.run_id) for h in headers if h.status == "finished" and h.plan.kind == "quantize"]
    if not runs:
        raise CompareError("there is no finished quantize run to compare: make some with: python -m morphoquant quantize.")

    def fits(other) -> bool:
        try:
            return bool(comparable([runs[0], other]))
        except CompareError:
            return False

    return [other for other in runs if fits(other)][::-1]


def show(store, runs: list, form: str, with_first: bool = False) -> None:
    """Prints the comparison of `runs` in one of `FORMATS`."""
    from morphoquant.core.modality import CONTENT, Position
    from morphoquant.core.selection import Selection
    from morphoquant.figures.tables import to_csv, to_latex, to_markdown
    from morphoquant.queries.compare import compare_methods
    from morphoquant.queries.compare_table import compare_table

    positions = tuple(Position) if with_first else (Position.REST,)
    compared = compare_methods(runs, Selection(modalities=CONTENT, positions=positions))
    if form == "json":
        print(json.dumps(json.loads(compared.to_json(orient="records")), indent=1))
    elif form == "csv":
        print(to_csv(compared), end="")
    elif form in ("md", "tex"):
        print((to_markdown if form == "md" else to_latex)(compare_table(compared)), end="")
    else:
        tokens = "all tokens" if with_first else "without the first token of each sequence"
        print(f"SQNR of linear outputs in dB, weights and activations quantised, pooled over layers, {tokens}:")
        print(_aligned(compare_table(compared)))
        print("\nThe layer with the lowest SQNR, in dB:")
        print(_aligned(compare_table(compared, "worst_sqnr_db")))
        print("\nInput values kept in full precision, in percent:")
        print(_aligned(compare_table(compared, "bypass_density")))


def _aligned(table) -> str:
    shown = table.rename(columns=lambda name: name.split(" (")[0])
    return shown.to_string(index=False, float_format=lambda value: f"{value:.1f}", na_rep="-")
