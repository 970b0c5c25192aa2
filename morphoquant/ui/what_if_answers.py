"""The numbers of the What if page: predicted SQNR by modality beside what a run has measured."""

import numpy as np
import pandas as pd

from morphoquant.core.meanings import SQNR
from morphoquant.core.modality import CONTENT
from morphoquant.figures.theme import three_digits
from morphoquant.queries.what_if import Prediction
from morphoquant.queries.what_if_tokens import KeptTokens
from morphoquant.store.run_store import Run
from morphoquant.ui.headline import Figure
from morphoquant.ui.modality_marks import marked
from morphoquant.ui.notes import plain
from morphoquant.ui.numbers import count


def cards(frame: pd.DataFrame) -> list[Figure]:
    """Predicted SQNR of up to four modalities, of the frame of `split_frame`."""
    shown = frame[frame["modality"].isin([str(name) for name in CONTENT])]
    rows = (shown if len(shown) else frame).head(4)
    return [Figure(marked(row.modality), f"{three_digits(row.sqnr_db)} dB", _beside(row), SQNR) for row in rows.itertuples()]


def in_words(prediction: Prediction, frame: pd.DataFrame) -> str:
    """What the setting does to the layer, in one or two sentences."""
    settings, placed = prediction.settings, prediction.placed
    total = frame["values"].sum()
    clipped, bypassed = (float(frame[f"{name}_percent"] @ frame["values"] / total) for name in ("clipped", "bypassed"))
    words = [f"{_share(clipped)} of the values are clipped."]
    if settings.bypass:
        whole = settings.whole and placed.masked.all() and len(placed.masked) > 1
        limit = (
            "all of them, since this is a down_proj input" if whole else f"score at least {three_digits(placed.limit_score[0])}"
        )
        words.insert(0, f"{count(placed.masked.sum())} of {count(len(placed.masked))} channels are outliers ({limit}).")
        words.append(f"{_share(bypassed)} bypass the levels.")
    if settings.search:
        low, middle, high = np.quantile(placed.ratio, [0, 0.5, 1])
        words.append(
            f"The search chose clip ratios from {three_digits(low)} to {three_digits(high)}, half of them at most "
            f"{three_digits(middle)}."
        )
    return plain(" ".join(words))


def of_tokens_in_words(tokens: KeptTokens, frame: pd.DataFrame) -> str:
    """What one scale a token does to the layer, in two sentences."""
    clipped = float(frame["clipped_percent"] @ frame["values"] / frame["values"].sum())
    return plain(
        f"{_share(clipped)} of the values are clipped. Levels follow each token, so that there is no fixed grid to draw; this is "
        f"predicted from {count(len(tokens.x))} kept tokens, each of which stands for many."
    )


def against(frame: pd.DataFrame, run: Run | None) -> str:
    """How far the prediction is from what was measured, and why it may be, in a sentence or two."""
    found = frame.dropna(subset="difference_db")
    if run is None or found.empty:
        return plain("No run of this very setting has measured this layer yet; the end of the page tells how to.")
    worst = found.loc[found["difference_db"].abs().idxmax()]
    text = (
        f"Measured by run {run.run_id}: the prediction is off by at most {abs(worst['difference_db']):.2f} dB, on "
        f"{worst['modality']}. It is made from the calibration samples, the run measures on evaluation samples."
    )
    if worst["difference_db"] > 1:
        text += " A prediction that is far too good tells of evaluation values beyond the range that calibration saw."
    return plain(text)


def far_off(found: pd.DataFrame, run: Run) -> str:
    """How far predictions of every layer are from what `run` measured, of the frame of `differences`."""
    if found.empty:
        return plain(f"Run {run.run_id} has measured none of these layers.")
    off = found["difference_db"].abs()
    worst = found.iloc[0]
    return plain(
        f"Against run {run.run_id}, {count(len(found))} predictions are off by {three_digits(off.median())} dB in the median, "
        f"and at most by {three_digits(off.iloc[0])} dB, at {worst['label']} on {worst['modality']}."
    )


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Predicted against measured, columns titled with units."""
    titles = {
        "modality": "modality",
        "sqnr_db": "predicted SQNR (dB)",
        "measured_db": "measured SQNR (dB)",
        "difference_db": "predicted less measured (dB)",
        "clip_share_percent": "error from clipping (%)",
        "clipped_percent": "values clipped (%)",
        "bypassed_percent": "values bypassed (%)",
        "values": "values",
    }
    told = [name for name in titles if frame[name].notna().any()]
    return frame[told].rename(columns=titles)


def _beside(row) -> str:
    if np.isnan(row.measured_db):
        return "predicted; not measured yet"
    return f"predicted; measured {three_digits(row.measured_db)} dB, off by {row.difference_db:+.2f} dB"


def _share(percent: float) -> str:
    return "0 %" if percent == 0 else f"{three_digits(percent)} %"
