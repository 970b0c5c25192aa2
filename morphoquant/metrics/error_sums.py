"""ErrorSums: the sums of the errors table, added up by slot batch after batch. Halves merge to the whole."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.modality import SLOT_COUNT
from morphoquant.metrics.cosine import cosines_of
from morphoquant.metrics.kernels import row_sums, split_sums

_ALWAYS = ("signal_sq", "error_sq", "cosine_sum")
_INPUT = ("clip_sq", "outlier_signal_sq", "outlier_error_sq", "bypassed")


class ErrorSums:
    """Error of one layer's input or output by slot.

    Args:
        width: channels, values in a row.
        tap: "input" adds the split into clipping and rounding, outlier channels and bypassed values; "output" leaves it out.
    """

    def __init__(self, width: int, tap: str):
        self.width = width
        self.tap = tap
        self._tokens = torch.zeros(SLOT_COUNT, dtype=torch.int64)
        self._cosine_min = torch.full((SLOT_COUNT,), torch.inf, dtype=torch.float64)
        names = _ALWAYS + (_INPUT if tap == "input" else ())
        self._sums = {name: torch.zeros(SLOT_COUNT, dtype=torch.float64) for name in names}

    def update(
        self,
        x: Tensor,
        y: Tensor,
        slots: Tensor,
        *,
        clipped: Tensor | None = None,
        bypassed: Tensor | None = None,
        outliers: Tensor | None = None,
    ) -> None:
        """Adds rows.

        Args:
            x: full-precision values [rows, width].
            y: quantised values [rows, width].
            slots: slot of each row [rows]; padding (negative) is left out.
            clipped: values beyond the grid and not bypassed, bool [rows, width]; None for none. Input only.
            bypassed: values kept in full precision, bool [rows, width]; None for none. Input only.
            outliers: outlier channels, bool [width]; None for none. Input only.
        """
        keep = slots >= 0
        if not bool(keep.all()):
            x, y, slots = x[keep], y[keep], slots[keep]
            clipped, bypassed = (None if part is None else part[keep] for part in (clipped, bypassed))
        if not len(slots):
            return
        slots = slots.long().cpu()
        signal_sq, error_sq, product, other_sq = _whole(x, y)
        cosines = cosines_of(product, signal_sq, other_sq)
        self._tokens += torch.bincount(slots, minlength=SLOT_COUNT)
        self._cosine_min.scatter_reduce_(0, slots, cosines, "amin")
        self._add("signal_sq", slots, signal_sq)
        self._add("error_sq", slots, error_sq)
        self._add("cosine_sum", slots, cosines)
        if self.tap == "input" and not (clipped is None and bypassed is None and outliers is None):
            nothing = torch.zeros_like(x, dtype=torch.bool)
            split = _split(
                x,
                y,
                nothing if clipped is None else clipped,
                nothing if bypassed is None else bypassed,
                nothing[0] if outliers is None else outliers,
            )
            for name, values in zip(_INPUT, split, strict=True):
                self._add(name, slots, values)

    def merge(self, other: "ErrorSums") -> None:
        """Adds the sums of another part of the data.

        Raises:
            ValueError: other width or tap.
        """
        if (other.width, other.tap) != (self.width, self.tap):
            raise ValueError("only sums of the same tap and width can be merged")
        self._tokens += other._tokens
        self._cosine_min = torch.minimum(self._cosine_min, other._cosine_min)
        for name, sums in self._sums.items():
            sums += other._sums[name]

    def rows(self) -> dict[int, dict[str, Any]]:
        """Columns of the errors table by slot that has tokens, without layer, modality, position, tap and source."""
        found = {}
        for slot in self._tokens.nonzero().flatten().tolist():
            row: dict[str, Any] = {"tokens": int(self._tokens[slot]), "width": self.width}
            row |= {name: float(self._sums[name][slot]) for name in _ALWAYS}
            row["cosine_min"] = float(self._cosine_min[slot])
            row |= {name: None for name in ("clip_sq", "round_sq", "outlier_signal_sq", "outlier_error_sq", "bypassed")}
            if self.tap == "input":
                row |= {name: float(self._sums[name][slot]) for name in _INPUT}
                row["round_sq"] = max(row["error_sq"] - row["clip_sq"], 0.0)
                row["bypassed"] = int(row["bypassed"])
            found[slot] = row
        return found

    def _add(self, name: str, slots: Tensor, values: Tensor) -> None:
        self._sums[name].index_add_(0, slots, values)


def _whole(x: Tensor, y: Tensor) -> Tensor:
    """Sums over each row of x^2, (y - x)^2, x y and y^2, float64 [4, rows]."""
    if x.device.type != "cpu":
        x, y = x.double(), y.double()
        return torch.stack([part.sum(1) for part in (x.square(), (y - x).square(), x * y, y.square())]).cpu()
    out = np.empty((len(x), 4))
    row_sums(float32(x), float32(y), out)
    return torch.from_numpy(out).T


def _split(x: Tensor, y: Tensor, clipped: Tensor, bypassed: Tensor, outliers: Tensor) -> Tensor:
    """Sums over each row of what `_INPUT` names, float64 [4, rows]."""
    if x.device.type != "cpu":
        x, y = x.double(), y.double()
        error = (y - x).square()
        parts = (error * clipped, x.square() * outliers, error * outliers, bypassed.double())
        return torch.stack([part.sum(1) for part in parts]).cpu()
    out = np.empty((len(x), 4))
    split_sums(float32(x), float32(y), clipped.numpy(), bypassed.numpy(), outliers.numpy(), out)
    return torch.from_numpy(out).T


def float32(x: Tensor) -> np.ndarray:
    """Rows in one numpy type, so that the kernels are compiled once; half precision is widened without loss."""
    return x.detach().to(torch.float32).contiguous().numpy()
