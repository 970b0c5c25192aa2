"""What quantisation makes of a sample inside the model, against what it is there in full precision."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from morphoquant.core.errors import BatchError
from morphoquant.metrics.error_sums import ErrorSums
from morphoquant.runs.attention_maps import Places, by_distance, maps
from morphoquant.runs.full_pass import FullPass
from morphoquant.runs.taps import After, Tap


class QuantisedPass:
    """Filled while one sample runs quantised.

    Args:
        full: the sample in full precision.
        shown: taps whose hidden states are kept.

    Attributes:
        errors: by tap and source, "accumulated" or "alone".
        states: quantised hidden states [rows, channels] of the taps that are shown, errors accumulated.
        maps: rows of the table attention, by tap.
        distances: rows of the table attention_distance, by tap.
    """

    def __init__(self, full: FullPass, shown: Sequence[Tap]):
        self._full, self._shown = full, set(shown)
        self.errors: dict[tuple[Tap, str], ErrorSums] = {}
        self.states: dict[Tap, Tensor] = {}
        self.maps: dict[Tap, list[dict[str, Any]]] = {}
        self.distances: dict[Tap, list[dict[str, Any]]] = {}

    def after(self, source: str) -> After:
        """Adds up the error of what a tap gives."""

        def look(tap: Tap, call: int, hidden: Tensor) -> None:
            rows, wanted = hidden.reshape(-1, hidden.shape[-1]), self._full.states[tap, call]
            if not bool(rows.sum().isfinite()):
                raise BatchError(
                    f"{tap.name} gives NaN or infinite values when it is quantised: nothing behind it can be measured; "
                    "leave out that sample, or choose another method."
                )
            sums = self.errors.setdefault((tap, source), ErrorSums(rows.shape[1], "output"))
            sums.update(wanted, rows, self._full.slots[tap, call])
            if tap in self._shown and source == "accumulated":
                self.states[tap] = rows

        return look

    def attention(self, tap: Tap, weights: Tensor) -> None:
        """Compares attention weights [heads, positions, positions]."""
        slots, full = self._full.slots[tap, 0], self._full.weights[tap]
        if len(slots) != weights.shape[-1]:
            return
        places = Places.of(slots)
        pair = (places.of_weights(full).cpu(), places.of_weights(weights).cpu())
        self.maps[tap], self.distances[tap] = maps(*pair, places), by_distance(*pair, places)
