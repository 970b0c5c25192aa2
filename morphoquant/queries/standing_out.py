"""The input to look at token by token while nobody has chosen one: where single tokens stand out most."""

from collections.abc import Callable

import pandas as pd

from morphoquant.core.modality import Position
from morphoquant.core.selection import Selection
from morphoquant.queries.inputs import layer_inputs
from morphoquant.queries.shown_tokens import inputs_with_tokens
from morphoquant.store.run import Run


def standing_out(capture: Run, selection: Selection, read: Callable[[Run], pd.DataFrame] = layer_inputs) -> str | None:
    """The input, of those whose tokens are kept, whose first tokens stand farthest above all others.

    Where no first token was seen, the one whose widest channel stands farthest above the median one.

    Source: "Massive Activations in Large Language Models" (arXiv 2402.17762), section 2: largest magnitudes against the others'.

    Args:
        capture: a finished capture.
        selection: its component and modalities.
        read: gives `layer_inputs` of the capture, for a caller that has read it before.

    Returns:
        Its name; None where the capture keeps no tokens of this part of the model.
    """
    kept = inputs_with_tokens(capture)
    if not kept:
        return None
    frame = read(capture)
    frame = frame[frame["layer"].isin(kept) & frame["absmax"].notna()]
    if selection.component is not None:
        frame = frame[frame["component"] == selection.component]
    if selection.modalities:
        frame = frame[frame["modality"].isin(list(map(str, selection.modalities)))]
    largest = frame.groupby(["position", "layer"], sort=False)["absmax"].max()
    first, rest = (largest.get(str(position), pd.Series(dtype=float)) for position in (Position.FIRST, Position.REST))
    ratio = (first / rest[rest > 0]).dropna()
    if ratio.empty:
        ratio = (
            (frame["absmax"] / frame["median_absmax"].where(frame["median_absmax"] > 0)).groupby(frame["layer"]).max().dropna()
        )
    return None if ratio.empty else str(ratio.idxmax())
