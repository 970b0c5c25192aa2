"""A run as an llm-compressor recipe, and its exclusions, to save."""

from contextlib import suppress

import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.recipe import excluded, excluded_text, recipe
from morphoquant.ui.labels import answer_labels
from morphoquant.ui.notes import note, plain, problem, sentence

_MIME = {".yaml": "application/yaml", ".json": "application/json"}


def recipe_made(store: RunStore) -> None:
    """A menu of the quantised runs; the recipe of the chosen one or why there is none; its exclusions."""
    known = store.entries()
    finished = [entry for entry in known if entry.header and entry.header.status == "finished"]
    offered = [one for one in finished if one.header.plan.kind in ("quantize", "evaluate") and one.header.plan.method]
    if not offered:
        note("There is no finished quantised run yet: make one with **New run**.")
        return
    labels = answer_labels(offered, known)
    kinds = {one.run_id: "answers" if one.header.plan.kind == "evaluate" else "layer errors" for one in offered}
    named = dict(format_func=lambda one: f"{labels[one]}, {kinds[one]}", key="recipe_run")
    run = store.open(st.selectbox("Quantised run", list(labels), index=_first(str(store.cache), tuple(labels)), **named))
    _recipe(store, run)
    try:
        names = excluded(store, run)
    except MorphoQuantError as error:
        problem(error)
        return
    linears = f"{len(names)} captured linears stay" if len(names) != 1 else "1 captured linear stays"
    st.caption(f"{linears} in full precision.")
    with st.container(horizontal=True):
        for suffix, mime in _MIME.items():
            text, name = excluded_text(run, names, suffix), f"{run.run_id}-ignore{suffix}"
            label = f"Save the exclusions ({suffix[1:].upper()})"
            st.download_button(label, text, name, mime, on_click="ignore", key=f"save_ignore_{suffix[1:]}")


@st.cache_data(max_entries=8, show_spinner="Looking for a run that can be a recipe")
def _first(cache: str, run_ids: tuple[str, ...]) -> int:
    """The place of the newest of finished runs that a recipe can be made of, 0 if there is none."""
    store = RunStore(cache)
    for place, run_id in enumerate(run_ids):
        with suppress(MorphoQuantError):
            recipe(store, store.open(run_id))
            return place
    return 0


def _recipe(store: RunStore, run: Run) -> None:
    try:
        made = recipe(store, run)
    except MorphoQuantError as error:
        note(sentence(error))
        return
    for remark in made.remarks:
        st.caption(plain(remark))
    text = made.text()
    st.download_button(
        "Save the recipe (YAML)", text, f"{run.run_id}-recipe.yaml", _MIME[".yaml"], on_click="ignore", key="save_recipe"
    )
    with st.expander("See it"):
        st.code(text, language="yaml")
