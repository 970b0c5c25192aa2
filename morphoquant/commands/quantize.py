"""quantize: fits methods to a capture and measures their errors on held-out samples, by layer and modality."""

import json

from morphoquant.commands import words
from morphoquant.commands.capture import digest
from morphoquant.core.spec import SPEC_FORM


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "quantize",
        parents=[shared],
        help="fit methods to a capture and measure their errors",
        description="Fit quantisation methods to a capture run and measure their errors on held-out samples, by layer and "
        "modality. Without --run the model is captured first, or its capture is taken from the cache.",
        epilog="example: python -m morphoquant quantize --method morphoquant:variant=paper rtn --spec w4a4 w4a8",
    )
    words.add_model_words(verb)
    words.add_memory_words(verb)
    words.add_capture_words(verb)
    words.add_quantize_words(verb)
    words.add_preflight_words(verb)
    words.add_processes_word(verb)
    verb.add_argument("--run", dest="capture_run", metavar="RUN", help="capture run to fit to; its model is loaded")
    verb.add_argument(
        "--method", nargs="+", default=["morphoquant"], help="methods, with fields: name[:field=value,...] (default: morphoquant)"
    )
    verb.add_argument("--spec", nargs="+", default=["w4a4"], help=f"specs: {SPEC_FORM} (default: w4a4)")
    verb.add_argument("--json", action="store_true", help="print the finished runs' headers as JSON")
    words.add_names(verb)
    verb.set_defaults(run=run)


def run(args) -> str | None:
    """Quantises with every method at every spec; runs already in the cache are not repeated."""
    pairs = words.pairs(args)

    from morphoquant.commands import preflight, workload
    from morphoquant.store.run_store import RunStore

    captured = RunStore(args.cache).open(args.capture_run) if args.capture_run else None
    measured = [(args.eval_data, args.eval_samples)]
    loaded = preflight.load_checked(args, preflight.Job(pairs, captured, measured=measured))
    if loaded is None:
        return None
    if captured is None:
        captured = workload.make_capture(args, loaded)
    done = make(args, loaded, captured, pairs)
    if args.json:
        print(json.dumps([digest(one) for one in done], indent=1))
    else:
        for one in done:
            print(f"run {one.run_id} is in {one.folder}")
    return done[-1].run_id


def make(args, loaded, captured, pairs, held=None):
    """The quantize runs of (method, spec) pairs on the words' evaluation data; fits that are `held` are not found again."""
    from morphoquant.commands import workload
    from morphoquant.runs.quantize import quantize
    from morphoquant.store.run_store import RunStore

    workload.make_gradients(args, loaded, [captured], pairs)
    load = workload.draw(args, loaded, args.eval_data, args.eval_samples)
    return quantize(
        loaded.model,
        captured,
        load,
        pairs,
        store=RunStore(args.cache),
        identity=loaded.identity,
        data=load.data,
        control=loaded.control,
        scope=args.scope,
        seed=args.seed,
        held=held,
        memory=workload.budget(args),
        together=args.together,
        progress=args.progress,
    )
