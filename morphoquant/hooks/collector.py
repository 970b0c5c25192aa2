"""Collector: the observer that fills one ChannelStats for each shared input."""

from torch import Tensor, nn

from morphoquant.stats.arrangement import Arrangement, arrange
from morphoquant.stats.channel_stats import ChannelStats


class Collector:
    """Statistics of every input, by group.

    Args:
        keep_rows: rows kept of each slot of each input.
        seed: of the choice of kept rows.
    """

    def __init__(self, keep_rows: int = 64, seed: int = 0):
        self.keep_rows = keep_rows
        self.seed = seed
        self.stats: dict[str, ChannelStats] = {}
        # One entry: most inputs of a forward come with the very labels of the one before.
        self._arranged: tuple[Tensor, Tensor, Arrangement] | None = None

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Adds rows [rows, K] to the statistics of `group`."""
        if group not in self.stats:
            self.stats[group] = ChannelStats(x.shape[1], self.keep_rows, self.seed)
        self.stats[group].update_arranged(x, self._arrange(slots, keys))

    @property
    def nbytes(self) -> int:
        """Bytes of all statistics."""
        return sum(stats.nbytes for stats in self.stats.values())

    def merge(self, other: "Collector") -> None:
        """Adds everything `other` has seen."""
        for group, theirs in other.stats.items():
            if group not in self.stats:
                self.stats[group] = ChannelStats(theirs.channels, self.keep_rows, self.seed)
            self.stats[group].merge(theirs)

    def _arrange(self, slots: Tensor, keys: Tensor) -> Arrangement:
        held = self._arranged
        if held is None or held[0] is not slots or held[1] is not keys:
            held = slots, keys, arrange(slots.cpu().numpy(), keys.cpu().numpy(), self.keep_rows, self.seed)
            self._arranged = held
        return held[2]
