"""The figures at the head of the page on inspect runs."""

from morphoquant.core.modality import CONTENT
from morphoquant.figures.theme import three_digits
from morphoquant.ui import frames
from morphoquant.ui.headline import Figure
from morphoquant.ui.inside_scene import InsideScene
from morphoquant.ui.modality_marks import marked
from morphoquant.ui.notes import plain
from morphoquant.ui.numbers import count

_POOLED = "SQNR of the hidden state, powers pooled over tokens; 6 dB are one bit."


def inside_figures(scene: InsideScene) -> list[Figure]:
    """Of the chosen run: the modality that ends worst, the block that is worst alone, attention that moves."""
    frame = frames.view_frame(
        scene.store, "error_propagation", [scene.run], frames.with_fields(scene.selection("error_propagation"), measure=None)
    )
    content = frame[frame["modality"].isin([str(one) for one in CONTENT])]
    frame = content if len(content) else frame
    last = frame[frame["order"] == frame["order"].max()]
    end = last[last["source"] == "accumulated"].sort_values("sqnr_db").iloc[0]
    same = last[(last["source"] == "alone") & (last["modality"] == end["modality"])].iloc[0]
    alone = frame[frame["source"] == "alone"].sort_values("sqnr_db").iloc[0]
    found = [
        Figure(
            "All blocks: lowest SQNR at the end",
            _decibels(end["sqnr_db"]),
            f"{marked(end['modality'])}, behind {plain(end['label'])}; that block alone {_decibels(same['sqnr_db'])}",
            _POOLED,
        ),
        Figure(
            "One block alone: lowest SQNR",
            _decibels(alone["sqnr_db"]),
            f"{marked(alone['modality'])}, behind {plain(alone['label'])}",
            "Its input in full precision, itself quantised.",
        ),
    ]
    if scene.run.has("attention_distance"):
        moved = frames.view_frame(
            scene.store,
            "attention_boundary",
            [scene.run],
            frames.with_fields(scene.selection("attention_boundary"), measure=None),
        )
        share = 100 * (moved["moved"] * moved["rows"]).sum() / moved["rows"].sum()
        found.append(
            Figure(
                "Attention that moves",
                f"{three_digits(share)} %",
                f"mean over {'block ' + str(scene.address.block) if scene.address.block is not None else 'the kept blocks'}",
                "Share of a token's attention that goes to other tokens than in full precision.",
            )
        )
    return found


def looked_at(scene: InsideScene) -> str:
    """What was run, and which parts are quantised, in one line."""
    plan = scene.run.plan
    scope = " + ".join(plan.options.get("scope") or ())
    return (
        f"{count(plan.data.get('samples', 0))} samples of {plan.data.get('id')}, {plan.model.get('id')}. Quantised: {scope}; all "
        "other parts in full precision. Attention is computed step by step (eager), in full precision too."
    )


def _decibels(value: float) -> str:
    digits = three_digits(value)
    return digits if digits == "exact" else f"{digits} dB"
