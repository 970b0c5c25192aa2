"""The token axis of the token x channel figures: cells as a table, bands of one modality, and their names and colours."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

TITLES = {"before": "Before: the input", "after": "After: on the run's grids", "error": "Error: magnitude of the difference"}


@dataclass(frozen=True)
class Band:
    """Neighbouring rows of one modality and position class.

    Attributes:
        modality: as in the frame.
        label: modality, and whether these are first tokens of sequences.
        begin: place of its first row on the axis.
        end: place of its last row.
    """

    modality: str
    label: str
    begin: int
    end: int

    @property
    def middle(self) -> float:
        """Where its name stands."""
        return (self.begin + self.end) / 2


@dataclass(frozen=True, eq=False)
class Relief:
    """Cells of one stage.

    Attributes:
        z: magnitudes float32 [rows, columns]; an empty row parts two bands.
        channels: first channel of each column [columns].
        width: channels of the layer.
        bands: in the order of the rows.
    """

    z: np.ndarray
    channels: np.ndarray
    width: int
    bands: tuple[Band, ...]


def relief(frame: pd.DataFrame, stage: str) -> Relief:
    """The cells of `stage` in the frame of `token_channel`."""
    part = frame[frame["stage"] == stage]
    columns = part.drop_duplicates("first_channel")
    channels = columns["first_channel"].to_numpy()
    cells = part["value"].to_numpy(np.float32).reshape(-1, len(channels))
    rows = part.iloc[:: len(channels)]
    key = (rows["modality"] + " " + rows["position"]).to_numpy()
    edges = [0, *(np.flatnonzero(key[1:] != key[:-1]) + 1), len(rows)]
    blank = np.full((1, len(channels)), np.nan, np.float32)
    pieces, bands, place = [], [], 0
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        modality, position = rows["modality"].iat[begin], rows["position"].iat[begin]
        label = f"{modality}, first" if position == "first" else str(modality)
        bands.append(Band(str(modality), label, place, place + end - begin - 1))
        pieces += [cells[begin:end], blank]
        place += end - begin + 1
    width = int(columns["first_channel"].iat[-1] + columns["channels"].iat[-1])
    return Relief(np.concatenate(pieces[:-1]), channels, width, tuple(bands))
