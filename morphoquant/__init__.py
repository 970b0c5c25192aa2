"""MorphoQuant: see and compare what low-bit activations do to each modality of an omni-modal model.

In a notebook: `run = morphoquant.capture(model, batches)`, or `run = morphoquant.open("capture")` for a run that is there;
then `run.figure("channel_ranges", layer=...)`. The engine is imported when it is first asked for, so that looking at runs
needs no torch.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["capture", "open", "quantize"]
_HOMES = {"capture": "runs.capture", "quantize": "runs.quantize", "open": "takeaway.notebook"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'morphoquant' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"morphoquant.{_HOMES[name]}"), name)


def _furnish() -> None:
    from morphoquant.core.upstairs import UPSTAIRS

    for name in ("figure", "figure_data", "figures"):
        UPSTAIRS.add(name, f"morphoquant.takeaway.notebook:{name}")


_furnish()
