"""MorphoQuant: see and compare what low-bit activations do to each modality of an omni-modal model.

In a notebook: `run = morphoquant.capture(model, batches)`. The engine is imported when it is first asked for, so that looking
at runs needs no torch.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["capture", "quantize"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'morphoquant' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"morphoquant.runs.{name}"), name)
