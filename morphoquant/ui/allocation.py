"""Choosing a spec for each layer group under a budget of bits, and taking the choice away to be measured."""

import pandas as pd
import streamlit as st

from morphoquant.core.allocation import Allocation
from morphoquant.core.errors import MorphoQuantError
from morphoquant.figures.theme import three_digits
from morphoquant.queries.allocation import allocate, choices, raised
from morphoquant.queries.allocation_front import proxy_in_words
from morphoquant.ui.answer_scene import AnswerScene
from morphoquant.ui.notes import note, plain, sentence

_CHOSEN = "morphoquant.allocation"
_SIDES = ("activations", "weights")


def allocation_choice(scene: AnswerScene, front: pd.DataFrame | None) -> None:
    """A budget, what it buys, and the file and command that measure it.

    Args:
        scene: what the page looks at.
        front: the frame of the view `bit_allocation`, absent where it cannot be had.
    """
    with st.container(border=True):
        st.markdown("**Choose bits for each layer group**")
        if front is not None:
            st.caption(plain(proxy_in_words(front)))
        budget, counted, press = st.columns([3, 3, 2], vertical_alignment="bottom")
        bits = budget.number_input("Mean bits, at most", 2.0, 16.0, 6.0, 0.5, key="allocation_bits")
        side = counted.segmented_control(
            "Bits of",
            _SIDES,
            default="activations",
            required=True,
            key="allocation_side",
            help="Of activations the mean is over multiply-accumulates, of weights over parameters.",
        )
        asked = (scene.run.run_id, scene.address.subjects, side, bits)
        if press.button("Choose", key="choose_bits", width="stretch"):
            st.session_state[_CHOSEN] = (asked, *_made(scene, side, bits))
        kept, found, lines = st.session_state.get(_CHOSEN, (None, None, ()))
        if kept != asked:
            st.caption("The groups get bits so that the sum of the harm that each does alone is least: exact, within a second.")
        elif found is None:
            note(lines[0])
        else:
            _show(scene, found, lines)


def _made(scene: AnswerScene, side: str, bits: float) -> tuple[Allocation | None, list[str]]:
    try:
        given = choices(scene.store, scene.run, tuple(scene.address.subjects))
        found = allocate(given, side, bits)
    except MorphoQuantError as error:
        return None, [sentence(error)]
    rows = raised(given, found.specs).to_dict("records")
    groups = [f"{row['groups']} groups at **{row['spec']}**, first of them {plain(row['most sensitive'])}" for row in rows]
    return found, groups


def _show(scene: AnswerScene, found: Allocation, lines: list[str]) -> None:
    st.markdown("\n".join(f"- {line}" for line in lines))
    st.caption(
        f"Mean bits: weights {three_digits(found.mean_w_bits)}, activations {three_digits(found.mean_a_bits)}. Sum of the "
        f"groups' KL: {three_digits(found.kl)} nats. That is a proxy: measured with the same words for the items as this run "
        "(--items, --tasks or --item-file), the choice stands in the figure above."
    )
    st.download_button(
        "Save the choice (JSON)", found.text(), "allocation.json", "application/json", on_click="ignore", key="save_allocation"
    )
    plan = scene.run.plan
    scope = " ".join(plan.options.get("scope") or ())
    model = plan.model.get("id", "demo")
    st.code(f"python -m morphoquant evaluate {model} --scope {scope} --allocation allocation.json", language="bash")
