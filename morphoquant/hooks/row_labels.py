"""RowLabels: the observer that tells quantised layers which rows come next."""

from torch import Tensor, nn

from morphoquant.quant.linear import QuantizedLinear


class RowLabels:
    """Hands each quantised layer that treats modalities differently the labels of its rows, just before it runs."""

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Labels go to layers, not to inputs."""

    def on_linear(self, layer: str, group: str, module: nn.Linear, x: Tensor, slots: Tensor) -> None:
        """Leaves the labels int8 [rows] with the layer."""
        if isinstance(module, QuantizedLinear) and module.by_modality:
            module.slots = slots
