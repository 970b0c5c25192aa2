"""How many bits of information the codes of an input carry, against the bits that its grid offers."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.codes import occupied_codes
from morphoquant.queries.layers import PLACE, groups
from morphoquant.queries.modalities import ordered, where
from morphoquant.queries.own_channels import in_own_channels
from morphoquant.store.run import Run

MOST_CHANNELS = 64


def code_entropy(run: Run, capture: Run, selection: Selection) -> pd.DataFrame:
    """Entropy of the codes of each selected input that has static grids and stored histograms, by modality.

    Of one channel H = - sum_q p(q) log2 p(q), p(q) being the share of code q among its values that take a code; a bin stands for
    the code of its centre, values that bypass take none. An input's number is the mean over its channels; of wide inputs over
    64 channels, evenly spaced.

    Source: C. E. Shannon, "A Mathematical Theory of Communication", 1948, section 6, equation for H.

    Args:
        run: a quantize run with static grids.
        capture: the capture run it was fitted to.
        selection: component, role, modalities and positions.

    Returns:
        layer, label, component, role, block, order, modality, channels (taken the mean of), offered (bits: log2 of the number
        of codes), value (bits). In the order of the model.

    Raises:
        StoreError: no selected input has both, or the grids may be of other channels than the input's.
    """
    places = groups(in_own_channels(run), selection)
    parts = [_of_input(run, capture, selection, row) for row in places.itertuples()]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if frame.empty:
        raise StoreError(
            f"runs {run.run_id!r} and {capture.run_id!r} keep grids and histograms of no input of this selection: choose another "
            "part of the model, or capture and quantise it anew."
        )
    return ordered(frame.merge(places[PLACE], on="layer")[[*PLACE, *_MEASURED]], selection, "order")


_MEASURED = ["modality", "channels", "offered", "value"]


def _of_input(run: Run, capture: Run, selection: Selection, row) -> pd.DataFrame:
    nothing = pd.DataFrame(columns=["layer", *_MEASURED])
    grids = run.frame("grids", where={"group": row.layer}).set_index("channel")
    if grids.empty or not capture.has("histograms"):
        return nothing
    channels = np.unique(np.linspace(0, row.in_features - 1, min(MOST_CHANNELS, row.in_features)).round().astype(int)).tolist()
    filters = {**where(selection), "group": row.layer, "channel": channels}
    table = capture.table("histograms", ["modality", "channel", "bins", "counts"], filters)
    coded = occupied_codes(table, grids).dropna(subset="code") if table.num_rows else nothing
    if coded.empty:
        return nothing
    counts = coded.groupby(["modality", "channel", "code"])["values"].sum()
    total = counts.groupby(["modality", "channel"]).sum()
    spread = (counts * np.log2(counts)).groupby(["modality", "channel"]).sum()
    bits = (np.log2(total) - spread / total).clip(lower=0.0)
    found = bits.groupby("modality").agg(["mean", "size"]).reset_index()
    offered = float(np.log2(grids["code_high"].iat[0] - grids["code_low"].iat[0] + 1))
    found = found.rename(columns={"mean": "value", "size": "channels"})
    return found.assign(layer=row.layer, offered=offered)
