"""What a sample is inside the model in full precision: hidden states at every tap, attention at some, and their labels."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from morphoquant.core.layers import expert_of
from morphoquant.core.modality import Modality, Position, slot
from morphoquant.runs.taps import Tap

_UNKNOWN = slot(Modality.UNKNOWN, Position.REST)


@dataclass(eq=False)
class Labels:
    """Observer of `hooks.ModalityHooks`: slots int8 [rows] of the last input of each linear."""

    slots: dict[str, Tensor] = field(default_factory=dict)

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Labels are kept by linear, not by input."""

    def on_linear(self, layer: str, group: str, module: nn.Linear, x: Tensor, slots: Tensor) -> None:
        """Keeps the slots."""
        self.slots[layer] = slots

    def of(self, tap: Tap, rows: int) -> Tensor:
        """Slots of what a tap has just given: those of its last linear with as many rows, but of experts, which are given theirs
        in another order; unknown where none has."""
        found = (self.slots[name] for name in reversed(tap.linears) if name in self.slots and not expert_of(name))
        fitting = next((slots for slots in found if len(slots) == rows), None)
        return torch.full((rows,), _UNKNOWN, dtype=torch.int8) if fitting is None else fitting.cpu()


@dataclass(eq=False)
class FullPass:
    """Recorded while one sample runs in full precision.

    Attributes:
        labels: the observer that runs along.
        given: hidden states that go into a tap, by tap and number of its call.
        states: hidden states that it gives [rows, channels], likewise.
        slots: labels of these rows, likewise.
        weights: attention weights [heads, positions, positions] of the taps that are shown.
    """

    labels: Labels
    given: dict[tuple[Tap, int], Tensor] = field(default_factory=dict)
    states: dict[tuple[Tap, int], Tensor] = field(default_factory=dict)
    slots: dict[tuple[Tap, int], Tensor] = field(default_factory=dict)
    weights: dict[Tap, Tensor] = field(default_factory=dict)

    def before(self, tap: Tap, call: int, hidden: Tensor) -> None:
        """Keeps what goes in."""
        self.given[tap, call] = hidden.detach()

    def after(self, tap: Tap, call: int, hidden: Tensor) -> None:
        """Keeps what comes out."""
        rows = hidden.reshape(-1, hidden.shape[-1])
        self.states[tap, call] = rows
        self.slots[tap, call] = self.labels.of(tap, len(rows))

    def attention(self, tap: Tap, weights: Tensor) -> None:
        """Keeps attention weights."""
        self.weights[tap] = weights

    def instead(self, tap: Tap, call: int, hidden: Tensor) -> Tensor | None:
        """The full-precision hidden states in place of quantised ones."""
        return self.given.get((tap, call))
