"""The figures at the head of the page on coverage: of each content modality what was seen, and what its second half added."""

from morphoquant.core.modality import CONTENT
from morphoquant.figures.theme import three_digits
from morphoquant.ui import frames
from morphoquant.ui.headline import Figure
from morphoquant.ui.modality_marks import marked
from morphoquant.ui.numbers import count
from morphoquant.ui.page import Scene
from morphoquant.views.base import VIEWS

RISING = 5.0  # percent; ours: a range wider by a twentieth costs 20 log10(1.05) = 0.4 dB on the same number of levels
_MEANING = (
    "Percent of the final range, mean over channels and inputs, that the second half of the samples added; below "
    f"{RISING:g} % it is called settled."
)


def settling_figures(scene: Scene) -> list[Figure]:
    """One figure for each content modality; tokens alone where the capture does not keep how ranges settle."""
    tokens = frames.run_table(scene.store, scene.capture, "tokens")
    shown = [name for name in CONTENT if not scene.address.modalities or name in scene.address.modalities]
    rising = _added(scene) if scene.capture.has("settling") else {}
    figures = []
    for name in shown:
        own = tokens[(tokens["modality"] == name) & (tokens["count"] > 0)]
        samples = own["sample"].nunique()
        seen = f"{count(own['count'].sum())} tokens in {count(samples)} sample{'' if samples == 1 else 's'}"
        if own.empty:
            figures.append(Figure(marked(name), "no token", "nothing is known of its ranges"))
        elif name in rising:
            added = rising[name]
            figures.append(Figure(marked(name), _said(added), f"+{three_digits(added)} % by the second half; {seen}", _MEANING))
        else:
            figures.append(Figure(marked(name), f"{count(own['count'].sum())} tokens", seen))
    return figures


def _said(added: float) -> str:
    return "settled" if added < RISING else "still rising"


def _added(scene: Scene) -> dict[str, float]:
    """Mean over the inputs of the percentage that the second half added, by modality; empty for one sample alone."""
    view = VIEWS["settling"]
    frame = frames.view_frame(scene.store, "settling", scene.inputs(view), scene.selection("settling"))
    samples = sorted(frame["samples"].unique())
    if len(samples) < 2:
        return {}
    half = frame[frame["samples"] == samples[-2]].set_index("modality")["value"]
    return {name: 100.0 - float(half.get(name, 0.0)) for name in frame["modality"].unique()}
