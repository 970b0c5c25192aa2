"""The findings of a run as a part of its report: sentences with their threshold, source and the command of their figure."""

from html import escape

from morphoquant.core.errors import MorphoQuantError
from morphoquant.findings.base import findings
from morphoquant.findings.finding import Finding
from morphoquant.findings.gather import gather, subject
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.asked import Asked
from morphoquant.takeaway.command import export_words, written
from morphoquant.takeaway.report_page import Part, absent

_KINDS = ("capture", "quantize")


def findings_part(store: RunStore, run: Run) -> Part | None:
    """What the rules say of a capture or a quantize run, worst first; the reason if they cannot; nothing for other kinds."""
    if run.plan.kind not in _KINDS:
        return None
    try:
        found = findings(gather(store, *subject(store, run.run_id)))
    except MorphoQuantError as error:
        return Part("findings", "Findings", absent(str(error)))
    said = "".join(map(_item, found)) or "<li>No rule has anything to say: every number stays within its threshold.</li>"
    opening = '<p class="soft">Worst first. A rule speaks only where its numbers reach its threshold.</p>'
    return Part("findings", "Findings", f'{opening}<ol class="findings">{said}</ol>')


def _item(one: Finding) -> str:
    mend = f"<p><b>Try:</b> {escape(one.mend.sentence)}</p>" if one.mend else ""
    link = one.links[0]
    again = written(export_words(Asked(link.view, link.runs, link.selection), f"{link.view}.pdf"))
    rule = f"Rule {one.rule}: from {one.threshold:.3g} {one.unit}; {one.source}. See:"
    why = f"<details><summary>Why, and where to see it</summary>{escape(rule)} <code>{escape(again)}</code></details>"
    return f'<li><span class="chip">{escape(one.severity.name.lower())}</span> {escape(one.sentence)}{mend}{why}</li>'
