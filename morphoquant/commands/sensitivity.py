"""sensitivity: quantises each group of layers alone and prints them ranked by what that does to the answers."""

import json

from morphoquant.commands import asking, words
from morphoquant.core.spec import SPEC_FORM


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "sensitivity",
        parents=[shared],
        help="which layers hurt the answers most when they alone are quantised",
        description="Quantise each group of linears that share an input alone, then all at once, and rank the groups by the KL "
        "of the answers to full precision, by subject. The number of forwards is told first.",
        epilog="example: python -m morphoquant sensitivity demo --method morphoquant --spec w4a4",
    )
    asking.add_words(verb, items=6)
    verb.add_argument(
        "--method", default="morphoquant", help="method, with fields: name[:field=value,...] (default: morphoquant)"
    )
    verb.add_argument("--spec", default="w4a4", help=f"spec: {SPEC_FORM} (default: w4a4)")
    verb.add_argument("--top", type=int, default=20, help="groups to print (default: 20)")
    verb.add_argument("--json", action="store_true", help="print the whole ranking as JSON")
    words.add_preflight_words(verb)
    words.add_names(verb)
    verb.set_defaults(run=run)


def run(args) -> str | None:
    """Ranks the groups; a ranking that is in the cache is not made again."""
    from morphoquant.core.spec import QuantSpec
    from morphoquant.methods.options import parse_method

    spec = QuantSpec.parse(args.spec)
    method = parse_method(args.method, spec)
    method.check(spec)

    from morphoquant.commands import preflight
    from morphoquant.runs.sensitivity import sensitivity
    from morphoquant.store.run_store import RunStore

    sets = asking.sets([args.data])
    loaded = preflight.load_checked(asking.named(args), preflight.Job([(method, spec)], sets=sets, asks=True))
    if loaded is None:
        return None
    asked = asking.make_items(args, loaded)
    (capture,) = asking.captures(args, loaded, sets, [(method, spec)])
    done = sensitivity(
        loaded,
        asked.items,
        method,
        spec,
        store=RunStore(args.cache),
        capture=capture,
        data=asked.name,
        scope=args.scope,
        batch=args.batch,
        seed=args.seed,
        keep_bytes=args.keep_bytes,
        progress=args.progress,
    )
    refused = [*asked.refused, *asking.refused_in(done)]
    _show(done, args, refused)
    asking.tell_refused(refused)
    return done.run_id


def _show(done, args, refused) -> None:
    from morphoquant.queries.sensitivity import ranking_in_words, sensitivity, sum_and_whole

    ranking, sums = sensitivity(done), sum_and_whole(done)
    if args.json:
        found = {name: json.loads(frame.to_json(orient="records")) for name, frame in (("groups", ranking), ("sums", sums))}
        print(json.dumps({"run_id": done.run_id, **found, "refused": refused}, indent=1))
        return

    def text(frame) -> str:
        return frame.to_string(index=False, float_format=lambda value: f"{value:.4f}", na_rep="-")

    print(f"Groups quantised alone with {done.plan.method} {done.plan.spec}, by the KL of the answers to full precision:")
    print(text(ranking_in_words(ranking, args.top)))
    print("\nThe sum over the groups, and all of them quantised at once (KL in nats, accuracies as shares):")
    print(text(sums))
    print(f"\nrun {done.run_id} is in {done.folder}")
