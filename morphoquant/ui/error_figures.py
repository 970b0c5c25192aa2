"""The figures at the head of the pages on quantised runs."""

import pandas as pd

from morphoquant.core.meanings import BYPASS, CLIPPED
from morphoquant.core.modality import CONTENT
from morphoquant.figures.theme import three_digits
from morphoquant.queries.own_channels import changing
from morphoquant.store.run_store import Run
from morphoquant.ui import frames
from morphoquant.ui.headline import Figure
from morphoquant.ui.layer_figures import group_of
from morphoquant.ui.modality_marks import marked
from morphoquant.ui.notes import plain
from morphoquant.ui.page import Scene
from morphoquant.views.base import VIEWS

SIMULATED = "Simulated quantisation: values are rounded to the grid and computed with in floating point; no low-bit kernel runs."
_POOLED = "Signal-to-noise ratio of the outputs of all shown layers: squared sums are added first, decibels are never averaged."
_MASKED = "Channels scored above the limit of the run's method; MorphoQuant's published code masks all of a down_proj's inputs."
_WIDTH = "Alpha, half the width of a channel's grid: after the search for it over before. Below 1 the grid was narrowed."


def error_figures(scene: Scene) -> list[Figure]:
    """Pooled output SQNR of each modality, with its change from the run before."""
    run = scene.runs[0]
    frame = _compared(scene, [scene.before, run] if scene.before else [run])
    after = frame[frame["run_id"] == run.run_id].set_index("modality")
    before = frame[frame["run_id"] != run.run_id].set_index("modality")
    figures = []
    for modality in _four(after.index):
        row = after.loc[modality]
        change = row["pooled_sqnr_db"] - before.loc[modality, "pooled_sqnr_db"] if modality in before.index else None
        delta = None if change is None else f"{change:+.2f} dB"
        worst = f"output SQNR; worst layer {three_digits(row['worst_sqnr_db'])} dB"
        figures.append(Figure(marked(modality), f"{three_digits(row['pooled_sqnr_db'])} dB", worst, _POOLED, delta))
    return figures


def compare_figures(scene: Scene) -> list[Figure]:
    """The best run of each modality."""
    frame = _compared(scene, list(scene.runs))
    figures = []
    for modality in _four(frame["modality"]):
        rows = frame[frame["modality"] == modality].sort_values("pooled_sqnr_db", ascending=False)
        best = rows.iloc[0]
        lead = best["pooled_sqnr_db"] - rows["pooled_sqnr_db"].iloc[1] if len(rows) > 1 else None
        where = plain(best["label"])
        if lead is not None:
            where += f", {lead:.2f} dB ahead of {plain(rows.iloc[1]['label'])}"
        figures.append(Figure(f"Best for {marked(modality)}", f"{three_digits(best['pooled_sqnr_db'])} dB", where, _POOLED))
    return figures


def compare_table(scene: Scene) -> pd.DataFrame:
    """Methods by modality, columns titled with units."""
    frame = _compared(scene, list(scene.runs))
    titles = {
        "label": "run",
        "modality": "modality",
        "pooled_sqnr_db": "output SQNR, pooled (dB)",
        "worst_sqnr_db": "output SQNR, worst layer (dB)",
        "worst_layer": "worst layer",
        "bypass_density": "values bypassed (%)",
        "layers": "layers",
        "run_id": "run identifier",
    }
    return frame[list(titles)].rename(columns=titles)


def other_channels(run: Run) -> str | None:
    """What the grids of a run are of, in a sentence, where its method may change the input first; None where it does not."""
    method = changing(run.plan)
    if method is None:
        return None
    return plain(
        f"{method} can scale, reorder or mix the channels of an input before they are rounded: levels, alphas and channel "
        "numbers here are of what comes out of that, and are not drawn over the distribution that the capture has counted."
    )


def grid_figures(scene: Scene) -> list[Figure]:
    """Of the chosen layer input: masked channels, what the search did to alpha, and what is clipped and bypassed."""
    frame = frames.view_frame(scene.store, "alpha_search", scene.inputs(VIEWS["alpha_search"]), scene.selection("alpha_search"))
    masked, ratio = frame["masked"], frame["ratio"].dropna()
    moved = f"from {three_digits(ratio.min())} to {three_digits(ratio.max())}" if len(ratio) else ""
    return [
        Figure("Masked channels", f"{int(masked.sum())} of {len(masked)}", "their large values bypass the grid", _MASKED),
        Figure(
            "Grid width after / before",
            three_digits(ratio.median()) if len(ratio) else "not measured",
            f"median; {moved}",
            _WIDTH,
        ),
        _use(scene, "clipped_share", "Values clipped", CLIPPED),
        _use(scene, "bypassed_share", "Values bypassed", BYPASS),
    ]


def _use(scene: Scene, measure: str, label: str, meaning: str) -> Figure:
    selection = frames.with_fields(scene.selection("grid_use"), measure=measure, component=None)
    frame = frames.view_frame(scene.store, "grid_use", scene.inputs(VIEWS["grid_use"]), selection)
    rows = frame[frame["layer"] == group_of(scene, scene.address.layer)].sort_values("value", ascending=False)
    if rows.empty:
        return Figure(label, "not measured", "for these filters", meaning)
    by_modality = ", ".join(marked(row.modality, three_digits(row.value)) for row in rows.itertuples())
    return Figure(label, f"{three_digits(rows.iloc[0]['value'])} %", by_modality, f"The highest of the modalities. {meaning}")


def _compared(scene: Scene, runs: list) -> pd.DataFrame:
    return frames.view_frame(scene.store, "compare_methods", runs, scene.selection("compare_methods"))


def _four(modalities) -> list[str]:
    present = list(dict.fromkeys(modalities))
    return sorted(present, key=lambda name: name not in CONTENT)[:4]
