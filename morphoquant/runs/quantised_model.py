"""quantised_model: a model quantised by any fits, those that must know the modality of each row among them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from torch import nn

from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.hooks.row_labels import RowLabels
from morphoquant.methods.base import GroupFit
from morphoquant.models.control import ControlTokens
from morphoquant.quant.linear import quantized


@contextmanager
def quantised_model(model: nn.Module, fits: Mapping[str, GroupFit], control: ControlTokens | None = None) -> Iterator[nn.Module]:
    """The model with its linears quantised inside the `with`; full precision without fits.

    Rows are labelled, at the cost of hooks on every linear, only if a fit asks for it.

    Args:
        model: any transformers model; it is changed in place.
        fits: the fit of each group, by group name.
        control: special tokens and template spans of its tokenizer.

    Yields:
        The model.
    """
    with ExitStack() as stack:
        if fits:
            stack.enter_context(quantized(model, fits))
        if any(fit.by_modality for fit in fits.values()):
            stack.enter_context(ModalityHooks(model, RowLabels(), control))
        yield model
