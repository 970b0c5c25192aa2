"""allocate: a spec for each layer group, chosen from measured sensitivities under a budget of bits."""

import json
from pathlib import Path

from morphoquant.core.evaluation import SUBJECTS

_SHOWN = 9


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "allocate",
        parents=[shared],
        help="which layer groups get how many bits under a budget, from a sensitivity run",
        description="Choose a spec for each layer group, among those whose sensitivity is measured and full precision, so that "
        "the sum of the groups' KL is least while the mean bits stay within --bits; exactly, by dynamic programming. Sensitivity "
        "runs that differ from RUN in the spec alone are taken in. Without --bits it prints what each budget buys. The sum is "
        "a proxy: measure what was chosen with evaluate --allocation FILE on the same items.",
        epilog="example: python -m morphoquant allocate six.json --bits 6 && "
        "python -m morphoquant evaluate demo --items 6 --allocation six.json",
    )
    verb.add_argument("file", nargs="?", type=Path, metavar="FILE", help="target, such as six.json")
    verb.add_argument("--run", default="sensitivity", metavar="RUN", dest="run_id", help="sensitivity run (default: the newest)")
    verb.add_argument("--bits", type=float, help="mean bits, at most")
    verb.add_argument(
        "--side",
        choices=("activations", "weights"),
        default="activations",
        help="whose bits are counted: of activations, weighted by multiply-accumulates, or of weights (default: activations)",
    )
    verb.add_argument("--subject", nargs="+", default=[], choices=SUBJECTS, help="count only items about these (default: all)")
    verb.add_argument("--json", action="store_true", help="print the allocation, or what each budget buys, as JSON")
    verb.set_defaults(run=run)


def run(args) -> None:
    """Prints what each budget buys, or chooses for one and writes the file."""
    from morphoquant import open
    from morphoquant.core.errors import SpecError
    from morphoquant.queries.allocation import allocate, choices, raised
    from morphoquant.store.atomic import write_text
    from morphoquant.store.run_store import RunStore

    if args.file and args.bits is None:
        raise SpecError(
            f"{args.file.name} needs a budget: give --bits, such as --bits 6, or leave out the file to see the front."
        )
    store, chosen = RunStore(args.cache), open(args.run_id, args.cache)
    subjects = tuple(args.subject)
    if args.bits is None:
        _show_front(store, chosen, args.side, subjects, args.json)
        return
    given = choices(store, chosen, subjects)
    found = allocate(given, args.side, args.bits)
    if args.json:
        print(found.text(), end="")
    else:
        print(raised(given, found.specs).to_string(index=False))
        print(f"\nmean bits: weights {found.mean_w_bits:.3g}, activations {found.mean_a_bits:.3g}")
        print(f"sum of the groups' KL: {found.kl:.4f} nats an item, from {', '.join(found.sensitivity)}")
    if args.file:
        write_text(args.file, found.text())
        print(f"{args.file}" if args.json else f"\n{args.file}: measure it with evaluate --allocation {args.file}, same items")


def _show_front(store, chosen, side: str, subjects: tuple[str, ...], as_json: bool) -> None:
    from morphoquant.queries.allocation_front import allocation_front, proxy_in_words

    frame = allocation_front(store, chosen, side, subjects)
    if as_json:
        print(json.dumps(json.loads(frame.to_json(orient="records")), indent=1))
        return
    front, measured = (frame[frame["kind"] == kind] for kind in ("front", "measured"))
    places = [round(place * (len(front) - 1) / (_SHOWN - 1)) for place in range(_SHOWN)]

    def text(rows, columns) -> str:
        return rows[columns].rename(columns=_TITLES).to_string(index=False, float_format=lambda value: f"{value:.4g}", na_rep="-")

    print(f"Mean bits of {side} and the least sum of KL, from {chosen.run_id}:")
    print(text(front.iloc[sorted(set(places))], ["bits", "sum", "groups"]))
    if len(measured):
        print("\nMeasured on the same items:")
        print(text(measured, ["bits", "sum", "kl", "kl_low", "kl_high", "label"]))
    print(f"\n{proxy_in_words(frame)}")


_TITLES = {
    "sum": "sum of KL (nats)",
    "kl": "measured KL (nats)",
    "kl_low": "95 % from",
    "kl_high": "95 % to",
    "label": "evaluation",
    "groups": "groups at each spec",
}
