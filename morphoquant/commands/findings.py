"""findings: what a run shows, in plain sentences with numbers, each with the command that draws it."""

import json
from dataclasses import asdict
from textwrap import fill


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "findings",
        parents=[shared],
        help="what a run shows, in plain sentences with numbers",
        description="Say which layers and modalities lose, why, and which stored run measured better there. A rule speaks only "
        "where the numbers reach its threshold. RUN is a quantize run, or a capture to look at the activations alone; without it "
        "the newest capture is taken, with the run of plain rounding that was fitted to it.",
        epilog="example: python -m morphoquant findings --json",
    )
    verb.add_argument("named", nargs="?", metavar="RUN", help="a quantize run or a capture")
    verb.add_argument("--json", action="store_true", help="print JSON, with the threshold and its source")
    verb.set_defaults(run=run)


def run(args) -> None:
    """Prints the findings."""
    from morphoquant.findings.base import findings
    from morphoquant.findings.gather import gather, subject
    from morphoquant.store.run_store import RunStore

    store = RunStore(args.cache)
    capture, quantised = subject(store, args.named)
    found = findings(gather(store, capture, quantised))
    if args.json:
        print(json.dumps([_json(one) for one in found], indent=1))
        return
    about = f"{quantised.run_id} on {capture.run_id}" if quantised else capture.run_id
    print(f"Findings of {about}, worst first; first tokens are left out unless it says so.")
    if not found:
        print("\nNo rule has anything to say: every number stays within its threshold.")
    for one in found:
        print()
        print(_text(one))
    if found:
        print("\nA rule speaks from its threshold on:")
    for one in {one.rule: one for one in found}.values():
        print(fill(f"{one.rule}: {one.threshold:.3g} {one.unit}; {one.source}.", 110, subsequent_indent="  "))


def _text(one) -> str:
    lines = [f"[{one.severity.name.lower()}, {one.rule}] {one.sentence}"]
    if one.mend:
        lines.append(f"Try: {one.mend.sentence}")
    shown = [fill(line, 110, initial_indent="  " * bool(place), subsequent_indent="  ") for place, line in enumerate(lines)]
    # A command that is broken over lines cannot be pasted.
    return "\n".join([*shown, f"  See: {_command(one.links[0])}"])


def _command(link) -> str:
    """The command that draws the figure."""
    from morphoquant.core.modality import Position

    at = link.selection
    words = ["python -m morphoquant export", link.view, f"{link.view}.pdf", "--run", *link.runs]
    words += ["--layer", at.layer] if at.layer else []
    words += ["--channel", str(at.channel)] if at.channel is not None else []
    words += ["--modality", *map(str, at.modalities)] if at.modalities else []
    words += ["--measure", at.measure] if at.measure else []
    words += ["--with-first"] if Position.FIRST in at.positions else []
    return " ".join(words)


def _json(one) -> dict:
    row = asdict(one) | {"severity": one.severity.name.lower(), "links": [_link(link) for link in one.links]}
    if one.mend:
        row["mend"] = asdict(one.mend) | {"link": _link(one.mend.link)}
    return row


def _link(link) -> dict:
    at = link.selection
    return {
        "words": link.words,
        "view": link.view,
        "runs": list(link.runs),
        "layer": at.layer,
        "channel": at.channel,
        "modalities": list(map(str, at.modalities)),
        "positions": list(map(str, at.positions)),
        "measure": at.measure,
        "command": _command(link),
    }
