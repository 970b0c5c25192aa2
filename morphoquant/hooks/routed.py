"""Which rows each expert of a mixture is given: the labels of all tokens, and the places of its own among them."""

from torch import Tensor, nn

from morphoquant.hooks.rows import Rows
from morphoquant.quant.experts import Expert, fused_experts


class RoutedRows:
    """Labels of what experts that are taken apart are given.

    Args:
        model: the whole model.

    Attributes:
        fused: the modules that hold experts, by path.
        linears: of each of them the linears of its experts, by path.
    """

    def __init__(self, model: nn.Module):
        self.fused = fused_experts(model)
        self.linears: dict[str, dict[str, nn.Linear]] = {path: {} for path in self.fused}
        self._experts: dict[str, tuple[str, Expert]] = {}
        for path, fused in self.fused.items():
            for name, expert in fused.named_children():
                if isinstance(expert, Expert):
                    for role, linear in expert.named_children():
                        self.linears[path][f"{path}.{name}.{role}"] = linear
                        self._experts[f"{path}.{name}.{role}"] = path, expert
        self._whole: dict[str, Rows] = {}
        self._last: tuple[Tensor, Rows] | None = None

    def begin(self, path: str, rows: Rows) -> None:
        """Takes the labels of the rows that the experts at `path` share out among them now."""
        self._whole[path] = rows

    def of(self, linear: str) -> Rows | None:
        """Labels of what a linear is given now, one object for both linears of an expert; absent outside of experts."""
        if linear not in self._experts:
            return None
        path, expert = self._experts[linear]
        if self._last is None or self._last[0] is not expert.rows:
            whole = self._whole[path]
            mine = expert.rows.to(whole.slots.device)
            self._last = expert.rows, Rows(whole.slots[mine], whole.keys[mine])
        return self._last[1]

    def clear(self) -> None:
        """Forgets all labels."""
        self._whole.clear()
        self._last = None
