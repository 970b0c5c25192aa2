"""python -m morphoquant <verb>: parses the words, runs the verb, and turns a user's error into one sentence and exit code 2."""

import argparse
import os
import sys
from pathlib import Path

from morphoquant import __version__
from morphoquant.commands import (
    allocate,
    bundle,
    capture,
    compare,
    dashboard,
    demo,
    evaluate,
    export,
    findings,
    inspect,
    methods,
    progress,
    quantize,
    ranks,
    recipe,
    report,
    runs,
    sensitivity,
)
from morphoquant.core.errors import MorphoQuantError
from morphoquant.store.place import LOCAL, folder_or_url

VERBS = (
    *(demo, capture, quantize, evaluate, sensitivity, inspect, allocate, compare),
    *(findings, export, bundle, report, recipe, methods, runs, dashboard),
)
CACHE = "MORPHOQUANT_CACHE"


def parser() -> argparse.ArgumentParser:
    """The whole command line; each verb's file adds its own words."""
    top = argparse.ArgumentParser(
        prog="python -m morphoquant",
        description="See and compare what low-bit activations do to each modality of an omni-modal model.",
        epilog="example: python -m morphoquant demo",
    )
    top.add_argument("--version", action="version", version=f"morphoquant {__version__}")
    shared = argparse.ArgumentParser(add_help=False)
    cache = folder_or_url(os.environ.get(CACHE) or "cache")
    told = f"folder of models and runs, or a URL such as s3://bucket/prefix for runs (default: ${CACHE} or ./cache)"
    shared.add_argument("--cache", type=folder_or_url, default=cache, help=told)
    told = f"folder of this machine for the embedded model and jobs, where --cache is a URL (default: ${LOCAL} or ./cache)"
    shared.add_argument("--local", type=Path, help=told)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in VERBS:
        verb.add(verbs, shared)
    return top


def main(argv: list[str] | None = None) -> int:
    """Runs one verb.

    Returns:
        Exit code: 0 done, 2 bad input or state (one sentence on standard error), 130 interrupted.
    """
    # Read when torch is imported, later: on a machine shared with others, spinning threads cost everybody many times more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    args = parser().parse_args(argv)
    if getattr(args, "local", None):  # a verb that touches no run has no such word
        os.environ[LOCAL] = str(args.local)  # for all that is started from here, too
    rank = ranks.this_one()
    args.progress, status = progress.chosen(rank.number == 0)
    try:
        ranks.check(rank, args)
        with rank.speaking():
            run_id = args.run(args)
    except MorphoQuantError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        if status:
            status.end("failed", error=str(error))
        return 2
    except KeyboardInterrupt:
        print("Interrupted: run the same command again, it resumes after the last whole shard.", file=sys.stderr)
        if status:
            status.end("failed", error="interrupted")
        return 130
    if status:
        status.end("finished", run_id=run_id if isinstance(run_id, str) else None)
    return 0
