"""runs: what is in the cache, with its state; and removing a run."""

import json
from dataclasses import asdict

from morphoquant.store.run_store import RunEntry, RunStore


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "runs",
        parents=[shared],
        help="list the runs in the cache, or remove one",
        description="List the runs in the cache, newest first, or remove one.",
        epilog="example: python -m morphoquant runs --json",
    )
    verb.add_argument("--delete", metavar="RUN", help="remove this run, damaged or not")
    verb.add_argument("--json", action="store_true", help="print JSON with the whole plans")
    verb.set_defaults(run=run)


def run(args) -> None:
    """Prints the runs, or removes one."""
    store = RunStore(args.cache)
    if args.delete:
        store.delete(args.delete)
        print(f"removed {args.delete}")
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
