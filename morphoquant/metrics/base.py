"""The registries of measures. `metrics/catalog.py` fills them from the files of this folder."""

from collections.abc import Callable

from torch import Tensor

from morphoquant.core.registry import Registry

# measure(x, y) of full-precision values x and quantised values y, both [tokens, channels]; computed in float64.
METRICS: Registry[Callable[[Tensor, Tensor], float]] = Registry("error measure")

# shape(x) of one distribution, all values pooled.
SHAPES: Registry[Callable[[Tensor], float]] = Registry("shape measure")
