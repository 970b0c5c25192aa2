"""The words that choose runs and filters of views: the same for every verb that draws."""

from morphoquant.core.evaluation import SUBJECTS
from morphoquant.core.modality import Modality, Position


def add_filters(verb) -> None:
    """Adds --run and the filters."""
    verb.add_argument("--run", nargs="+", default=[], metavar="RUN", dest="run_ids", help="runs to show, in the order wanted")
    verb.add_argument("--layer", help="full name of a linear")
    verb.add_argument("--component", help="language, vision, audio, connector or head")
    verb.add_argument("--role", help="q_proj, down_proj, ...")
    verb.add_argument(
        "--modality", nargs="+", default=[], choices=[str(m) for m in Modality], help="modalities (default: all present)"
    )
    verb.add_argument("--with-first", action="store_true", help="take in the first token of each sequence")
    verb.add_argument("--channel", type=int, help="input channel")
    verb.add_argument("--sample", type=int, help="sample of an inspect run")
    verb.add_argument("--block", type=int, help="block of the language model, of an inspect run")
    verb.add_argument("--head", type=int, help="attention head, of an inspect run (default: the mean over all)")
    verb.add_argument("--subject", nargs="+", default=[], choices=SUBJECTS, help="what was asked about (default: all)")
    verb.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="what-if settings, such as bits=3 search=yes")


def selected(args, measure: str | None = None):
    """The filters as a Selection."""
    from morphoquant.core.selection import Selection
    from morphoquant.core.what_if import WhatIf

    return Selection(
        layer=args.layer,
        component=args.component,
        role=args.role,
        modalities=tuple(Modality(name) for name in args.modality),
        positions=tuple(Position) if args.with_first else (Position.REST,),
        channel=args.channel,
        measure=measure,
        subjects=tuple(args.subject),
        sample=args.sample,
        block=args.block,
        head=args.head,
        what_if=WhatIf.read(dict(pair.partition("=")[::2] for pair in args.set)),
    )
