"""Blocks that backward runs a second time, so that nothing of their inside is kept from one pass to the other.

Autograd keeps for backward what each operation was given: of a linear its weight, which for an offloaded model is all that was
read of it, and activations. Of a recomputed block it keeps the input alone, and what is read and calculated again goes with that
block's backward. The same operations on the same numbers: gradients are the same to the last bit.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from morphoquant.methods.blocks import without_memories
from morphoquant.quant.forwards import forward_as


@contextmanager
def recomputed(model: nn.Module, names: Collection[str]) -> Iterator[None]:
    """Backward computes the modules `names` of `model` anew, for what runs forward inside the `with`; backward must be in it too.

    They run without the keys and values of earlier tokens, which a second run would add again. Hooks on what stands inside them
    are called in both runs.
    """
    with ExitStack() as stack:
        # A run that stops at the last tensor wanted leaves accelerate's forward by an exception, and its weights where they are.
        stack.enter_context(set_checkpoint_early_stop(False))
        for name in names:
            module = model.get_submodule(name)
            stack.enter_context(forward_as(module, _twice(module.forward)))
        yield


def _twice(forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def run(*args, **kwargs):
        # Evaluation draws no random numbers.
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **without_memories(kwargs))

    return run
