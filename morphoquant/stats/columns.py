"""The statistics of one slot of one input as numpy columns, named like the tables they are stored in."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ragged:
    """A column of lists, laid out as Arrow does: `pa.ListArray.from_arrays(offsets, values)` copies nothing.

    Attributes:
        offsets: int32 [rows + 1].
        values: flat values of all rows.
    """

    offsets: np.ndarray
    values: np.ndarray

    @classmethod
    def of_matrix(cls, rows: np.ndarray) -> "Ragged":
        """Rows of equal length [rows, width]."""
        return cls(np.arange(len(rows) + 1, dtype=np.int32) * np.int32(rows.shape[1]), rows.reshape(-1))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


@dataclass(frozen=True, eq=False)
class SlotColumns:
    """What `ChannelStats.rows` gives for a slot. Key columns (group, modality, position) are the caller's to add.

    Attributes:
        channel_stats: channel, count, nan_count, inf_count, min, max, mean, m2, m3, m4, sum_abs; one row a channel. The last
            seven are numpy masked arrays where a channel has no finite value, which Arrow reads as null.
        histograms: channel, bins, counts, largest; one row a channel; the last three are `Ragged`.
        token_sample: priority and values (`Ragged`); one row a kept token, ascending priority.
        fine_histograms: channel, bins, counts; one row for each of the few channels that are counted finely.
    """

    channel_stats: dict[str, np.ndarray]
    histograms: dict[str, "np.ndarray | Ragged"]
    token_sample: dict[str, "np.ndarray | Ragged"]
    fine_histograms: dict[str, "np.ndarray | Ragged"]
