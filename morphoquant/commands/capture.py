"""capture: runs samples through a model and keeps the statistics of every linear layer's input, by modality."""

import json

from morphoquant.commands import words


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "capture",
        parents=[shared],
        help="capture a model's activation statistics by modality",
        description="Run samples through a model and store the statistics of every linear layer's input, by modality.",
        epilog="example: python -m morphoquant capture --model demo --samples 45",
    )
    words.add_model_words(verb)
    words.add_memory_words(verb)
    words.add_capture_words(verb)
    words.add_preflight_words(verb)
    words.add_processes_word(verb)
    verb.add_argument("--json", action="store_true", help="print the finished run's header as JSON")
    verb.set_defaults(run=run)


def run(args) -> str | None:
    """Captures, or finds the equal run in the cache, and says where it is."""
    from morphoquant.commands import preflight, workload

    loaded = preflight.load_checked(args, preflight.Job())
    if loaded is None:
        return None
    done = workload.make_capture(args, loaded)
    print(json.dumps(digest(done), indent=1) if args.json else f"run {done.run_id} is in {done.folder}")
    return done.run_id


def digest(done) -> dict:
    """What a program wants to know of a finished run."""
    header = done.header
    return {
        "run_id": header.run_id,
        "folder": str(done.folder),
        "status": header.status,
        "tables": header.tables,
        "summary": header.summary,
    }
