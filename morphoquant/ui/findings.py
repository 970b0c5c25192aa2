"""The section Findings: what the runs show, in sentences, each with links to the figures that show it."""

import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.findings.base import findings
from morphoquant.findings.finding import Finding, Link, Severity
from morphoquant.findings.gather import fitted_to, gather, looked_at_first
from morphoquant.store.run_store import Run, RunStore
from morphoquant.ui import frames, session
from morphoquant.ui.labels import run_labels
from morphoquant.ui.modality_marks import mark, marked
from morphoquant.ui.navigate import way
from morphoquant.ui.notes import note, plain, sentence
from morphoquant.ui.numbers import joined
from morphoquant.ui.page import Scene
from morphoquant.ui.view_pages import PAGE_OF, address_of

_FEW = 4
_ALL = "all"
_WEIGHT = {
    Severity.BLIND: (":red[**not known**]", "Numbers that are missing or worthless: nothing can be concluded for this part."),
    Severity.LOSS: ("**loses**", "An error of outputs that is larger than it need be."),
    Severity.CAUSE: ("**cause**", "What makes the error of a layer's input large."),
    Severity.RISK: ("**beware**", "A property of the activations or the data that a method has to cope with."),
}


def show_findings(scene: Scene) -> None:
    """Draws the section: the worst finding of each of the worst rules, and all of them on demand."""
    runs = fitted_to(scene.store, scene.capture.run_id)
    with st.container(border=True):
        head, middle, chooser = st.columns([2, 5, 3], vertical_alignment="center")
        head.markdown("**Findings**")
        with chooser:
            run = _chosen(scene, runs)
        try:
            every = _found(scene, run, runs)
        except MorphoQuantError as error:
            # A run that cannot be read takes nothing from the charts of the capture below.
            note(sentence(error))
            return
        with middle:
            _modality(scene, every)
        found = shown(every, scene)
        if not found:
            note("No rule has anything to say about these runs with these filters: every number stays within its threshold.")
            return
        first = worst_of_each(found)[:_FEW]
        for place, one in enumerate(first):
            _row(scene, one, f"first{place}")
        st.caption(
            "A sentence stands here only if its numbers reach the threshold of its rule; the question mark tells threshold and "
            "source. First tokens are left out unless it says so."
        )
        with st.expander(f"All {len(found)} findings, the worst first"):
            for place, one in enumerate(found):
                _row(scene, one, f"all{place}")


def worst_of_each(found: list[Finding]) -> list[Finding]:
    """The worst finding of each rule; `found` is sorted, worst first, and so is the answer."""
    worst: dict[str, Finding] = {}
    for one in found:
        worst.setdefault(one.rule, one)
    return list(worst.values())


def shown(found: list[Finding], scene: Scene) -> list[Finding]:
    """Those findings that the filters leave: of a modality and a part that are shown, or of none in particular."""
    modalities, component = set(map(str, scene.address.modalities)), scene.address.component
    return [
        one
        for one in found
        if (not modalities or one.modality is None or one.modality in modalities)
        and (component is None or one.component in (None, component))
    ]


def _chosen(scene: Scene, runs: list[Run]) -> Run | None:
    """The quantize run that is looked at besides the capture: the address's, else plain rounding's."""
    if not runs:
        return None
    labels = run_labels([entry for entry in scene.store.entries() if entry.run_id in {run.run_id for run in runs}])
    known = {run.run_id: run for run in runs}
    run = known.get(scene.address.run) or looked_at_first(runs)
    st.selectbox(
        "Quantised run that the findings are about",
        list(labels),
        format_func=labels.__getitem__,
        key=session.widget("findings_run", run.run_id),
        label_visibility="collapsed",
        on_change=lambda: session.change(run=session.widget_value("findings_run"), before=None),
    )
    return run


def _modality(scene: Scene, every: list[Finding]) -> None:
    """Leaves the findings of one modality; the same filter as the sidebar's."""
    options = [modality for modality in CONTENT if any(one.modality == modality for one in every)]
    chosen = scene.address.modalities
    st.segmented_control(
        "Modality of the findings",
        [_ALL, *options],
        format_func=lambda name: name if name == _ALL else marked(name),
        key=session.widget("findings_modality", chosen[0] if len(chosen) == 1 and chosen[0] in options else _ALL),
        label_visibility="collapsed",
        on_change=lambda: session.change(modalities=_one(session.widget_value("findings_modality"))),
    )


def _one(name: str | None) -> tuple[Modality, ...]:
    return () if name in (None, _ALL) else (Modality(name),)


def _row(scene: Scene, one: Finding, key: str) -> None:
    badge, meaning = _WEIGHT[one.severity]
    with st.container(key=f"finding_{key}"):
        text, links = st.columns([8, 3], vertical_alignment="top")
        square = f"{mark(one.modality)} " if one.modality else ""
        reason = f"{meaning} Threshold: {one.threshold:.3g} {one.unit}. Source: {one.source}."
        advice = f"  \n:small[**Try:** {joined(plain(one.mend.sentence))}]" if one.mend else ""
        text.markdown(f"{badge} {square}{joined(plain(one.sentence))}{advice}", help=plain(reason))
        with links, st.container(gap=None):
            for link in (*one.links, *([one.mend.link] if one.mend else [])):
                _link(scene.store, link)


def _link(store: RunStore, link: Link) -> None:
    query = address_of(store, link.view, link.runs, link.selection).to_query()
    way(PAGE_OF[link.view], link.words, query_params=query)


def _found(scene: Scene, run: Run | None, runs: list[Run]) -> list[Finding]:
    cache = str(scene.store.cache)
    stamps = tuple(sorted((one.run_id, one.header.finished) for one in runs))
    return _of_runs(cache, scene.capture.run_id, scene.capture.header.finished, run.run_id if run else None, stamps)


# The other runs are in the key: a new one may be what to try.
@st.cache_data(max_entries=32, show_spinner="Looking for findings")
def _of_runs(cache: str, capture: str, stamp: str | None, run: str | None, stamps: tuple) -> list[Finding]:
    store = session.Glance(cache)
    looked_at = store.open(capture)
    return findings(gather(store, looked_at, store.open(run) if run else None, frames.every_input(store, looked_at)))
