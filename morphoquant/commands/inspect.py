"""inspect: runs a few samples in full precision and quantised, and tells how the error travels through the model."""

import json

from morphoquant.commands import words
from morphoquant.core.spec import SPEC_FORM

SAMPLES = 8  # two turns of four modalities
_MANY = 4  # times as many are drawn, to choose from


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "inspect",
        parents=[shared],
        help="how the error travels through the model: hidden states and attention",
        description="Run a few held-out samples in full precision and with every method at every spec, and keep how far hidden "
        "states are off behind every block, with each block quantised alone and with all of them, where attention moves, and "
        "hidden states of a few tokens in a plane. Without --run the model is captured first, or its capture is taken from the "
        "cache.",
        epilog="example: python -m morphoquant inspect --method rtn:grid=range morphoquant --spec w4a4",
    )
    words.add_model_words(verb)
    words.add_capture_words(verb)
    words.add_quantize_words(verb, samples=SAMPLES)
    words.add_preflight_words(verb)
    verb.add_argument("--run", dest="capture_run", metavar="RUN", help="capture run to fit to; its model is loaded")
    verb.add_argument(
        "--blocks",
        nargs="+",
        type=int,
        default=[],
        metavar="N",
        help="blocks of the language model whose attention and hidden states are kept (default: five, evenly spaced)",
    )
    verb.add_argument(
        "--method", nargs="+", default=["morphoquant"], help="methods, with fields: name[:field=value,...] (default: morphoquant)"
    )
    verb.add_argument("--spec", nargs="+", default=["w4a4"], help=f"specs: {SPEC_FORM} (default: w4a4)")
    verb.add_argument("--json", action="store_true", help="print the errors as JSON")
    words.add_names(verb)
    verb.set_defaults(run=run)


def run(args) -> str | None:
    """Looks inside with every method at every spec; runs already in the cache are not repeated."""
    pairs = words.pairs(args)

    from morphoquant.commands import preflight, workload
    from morphoquant.runs.inspection import SHOWN_BLOCKS, inspect
    from morphoquant.store.run_store import RunStore

    store = RunStore(args.cache)
    captured = store.open(args.capture_run) if args.capture_run else None
    measured = [(args.eval_data, _MANY * args.eval_samples)]
    shown = len(set(args.blocks)) or SHOWN_BLOCKS
    loaded = preflight.load_checked(args, preflight.Job(pairs, captured, measured=measured, shown=shown))
    if loaded is None:
        return None
    if captured is None:
        captured = workload.make_capture(args, loaded)
    workload.make_gradients(args, loaded, [captured], pairs)
    load = _few(args, loaded)
    done = inspect(
        loaded.model,
        captured,
        load,
        pairs,
        store=store,
        identity=loaded.identity,
        data=load.data,
        control=loaded.control,
        scope=args.scope,
        blocks=args.blocks,
        seed=args.seed,
        progress=args.progress,
    )
    _show(done, args.json)
    return done[-1].run_id


def _few(args, loaded):
    """The samples: chosen from more, so that every modality has its turn."""
    from dataclasses import replace

    from morphoquant.commands import workload
    from morphoquant.core.errors import BatchError
    from morphoquant.data.sample import fingerprint
    from morphoquant.data.turns import in_turn

    if args.eval_samples < 1:
        raise BatchError(f"cannot look at {args.eval_samples} samples: give at least 1.")
    load = workload.draw(args, loaded, args.eval_data, _MANY * args.eval_samples)
    samples = in_turn(list(load.samples), args.eval_samples)
    data = {"id": load.data["id"], "fingerprint": fingerprint(samples), "samples": len(samples)}
    return replace(load, samples=samples, data=data)


def _show(done, as_json: bool) -> None:
    from morphoquant.core.selection import Selection
    from morphoquant.queries.propagation import last_blocks, propagation

    frame = propagation(done, Selection())
    if as_json:
        print(json.dumps(json.loads(frame.to_json(orient="records")), indent=1))
        return
    print("SQNR in dB of the hidden states behind the last block of each part, each block alone and all of them accumulated:")
    print(last_blocks(frame).to_string(index=False, float_format=lambda value: f"{value:.1f}", na_rep="-"))
    for run in done:
        print(f"run {run.run_id} is in {run.folder}")
