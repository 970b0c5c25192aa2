"""recipe: a run as an llm-compressor recipe."""

from pathlib import Path


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "recipe",
        parents=[shared],
        help="method, bits and exclusions of a run as an llm-compressor recipe",
        description="Write what RUN does as a recipe of llm-compressor: its method as modifiers, the spec of each layer group, "
        "and the linears that stay in full precision. What llm-compressor does otherwise stands in the head of the YAML file; a "
        "run that it has no counterpart for is refused in one sentence. llm-compressor calibrates anew, on its own data.",
        epilog="example: python -m morphoquant recipe smoothquant-gptq-w4a8-token recipe.yaml",
    )
    verb.add_argument("run_id", metavar="RUN", help="a run; or quantize, evaluate, or a method and spec for the newest one")
    verb.add_argument("file", type=Path, metavar="FILE", help="target: .yaml, .yml or .json")
    verb.add_argument("--ignore-only", action="store_true", help="write the list of linears in full precision alone")
    verb.set_defaults(run=run)


def run(args) -> None:
    """Writes the recipe, and says what llm-compressor does otherwise."""
    from morphoquant import open
    from morphoquant.store.atomic import write_text
    from morphoquant.store.run_store import RunStore
    from morphoquant.takeaway.recipe import excluded, excluded_text, recipe

    store, chosen, suffix = RunStore(args.cache), open(args.run_id, args.cache), args.file.suffix.lower()
    made = None if args.ignore_only else recipe(store, chosen)
    write_text(args.file, made.text(suffix) if made else excluded_text(chosen, excluded(store, chosen), suffix))
    print(args.file)
    for sentence in made.remarks if made else ():
        print(sentence)
