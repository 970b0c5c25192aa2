"""demo: the main job on the embedded model, from the first download to the dashboard."""

from morphoquant.commands import dashboard, words

PAIRS = (
    ("rtn", "w4a4-token"),
    ("rtn:grid=range", "w4a4"),  # the very grid of the methods below, without mask and search
    ("dabc", "w4a4"),
    ("mdqfo", "w4a4"),
    ("morphoquant", "w4a4"),
)


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "demo",
        parents=[shared],
        help="fetch, capture and quantise the embedded model, then open the dashboard",
        description="Fetch the embedded omni-modal model, capture its activations by modality, quantise it to 4 bits "
        "with RTN, DABC, MDQFO and both (MorphoQuant), print the comparison by modality and open the dashboard. "
        "What is in the cache is not done again.",
        epilog="example: python -m morphoquant demo --no-dashboard",
    )
    words.add_capture_words(verb)
    words.add_quantize_words(verb)
    words.add_server_words(verb)
    verb.add_argument("--no-dashboard", action="store_true", help="end after the printed comparison")
    verb.set_defaults(run=run, model="demo", revision=None, trust_remote_code=False, device="cpu")


def run(args) -> str:
    """Runs the demo."""
    from morphoquant.commands import compare, quantize, workload
    from morphoquant.core.spec import QuantSpec
    from morphoquant.methods.options import parse_method
    from morphoquant.store.run_store import RunStore

    pairs = [(parse_method(method), QuantSpec.parse(spec)) for method, spec in PAIRS]
    loaded = workload.load_model(args)
    captured = workload.make_capture(args, loaded)
    done = quantize.make(args, loaded, captured, pairs)
    compare.show(RunStore(args.cache), done, "text")
    if not args.no_dashboard:
        dashboard.run(args)
    return done[-1].run_id
