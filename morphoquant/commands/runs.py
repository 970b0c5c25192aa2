"""runs: what is in the cache, with its state; removing a run; making small copies to ship."""

import json
from dataclasses import asdict
from fnmatch import fnmatch

from morphoquant.core.errors import StoreError
from morphoquant.store.run_store import RunEntry, RunStore
from morphoquant.store.ship import ship


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "runs",
        parents=[shared],
        help="list the runs in the cache, remove one, or ship small copies",
        description="List the runs in the cache, newest first; remove one; or write small copies of some to <cache>/stored.",
        epilog="example: python -m morphoquant runs --json",
    )
    verb.add_argument("--delete", metavar="RUN", help="remove this run, damaged or not")
    verb.add_argument("--ship", nargs="+", default=[], metavar="RUN", help="write small copies of these runs to <cache>/stored")
    verb.add_argument(
        "--keep", nargs="+", default=["*"], metavar="PATTERN", help="with --ship: layers whose histograms and grid use are kept"
    )
    verb.add_argument(
        "--tokens", type=int, default=0, metavar="N", help="with --ship: tokens a modality of those layers, to look at"
    )
    verb.add_argument("--json", action="store_true", help="print JSON with the whole plans")
    verb.set_defaults(run=run)


def run(args) -> None:
    """Prints the runs, removes one, or ships some."""
    store = RunStore(args.cache)
    if args.delete:
        store.delete(args.delete)
        print(f"removed {args.delete}")
        return
    if args.ship:
        _ship(store, args.ship, args.keep, args.tokens)
        return
    entries = store.entries()
    if args.json:
        print(json.dumps([_json(entry) for entry in entries], indent=1))
    elif not entries:
        print(f"no runs in {args.cache}: make one with: python -m morphoquant demo")
    else:
        width = max(len(entry.run_id) for entry in entries)
        for entry in entries:
            print(f"{entry.run_id:{width}}  {_line(entry)}")


def _ship(store: RunStore, run_ids: list[str], patterns: list[str], tokens: int) -> None:
    if tokens < 0:
        raise StoreError(f"cannot ship {tokens} tokens: give 0 for none, or a number such as 32.")
    for run in [store.open(run_id) for run_id in run_ids]:
        if not run.has("layers"):  # answers have no layers to choose from
            print(ship(run, store.roots[1], set()))
            continue
        groups = set(run.frame("layers", ["group"])["group"])
        kept = {group for group in groups if any(fnmatch(group, pattern) for pattern in patterns)}
        if not kept:
            raise StoreError(f"no layer of {run.run_id!r} matches {' '.join(patterns)}: give patterns such as '*layers.11.*'.")
        print(ship(run, store.roots[1], kept, tokens))


def _json(entry: RunEntry) -> dict:
    if entry.header is None:
        return {"run_id": entry.run_id, "status": "damaged", "error": entry.problem}
    return asdict(entry.header)


def _line(entry: RunEntry) -> str:
    header = entry.header
    if header is None:
        return f"damaged   {entry.problem}"
    what = (
        header.error
        or f"{header.plan.model.get('id')} on {header.plan.data.get('id')}, {header.plan.data.get('samples')} samples"
    )
    return f"{header.status:8}  {header.created[:16].replace('T', ' ')}  {what}{'  (stored)' if header.stored else ''}"
