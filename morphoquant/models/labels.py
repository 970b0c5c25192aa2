"""Labels of the language model's rows: the slot of every token of a batch, from its ids and its attention mask."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import MODALITIES, PADDING, POSITIONS, Modality, Position
from morphoquant.models.control import ControlTokens, control_tokens
from morphoquant.models.placeholders import placeholder_ids
from morphoquant.models.shared_placeholder import STANDS_FOR

__all__ = ["ControlTokens", "control_tokens", "sequence_slots"]

# A template span longer than this is no template: the closing id belongs to the content.
SPAN_LIMIT = 8


def sequence_slots(
    config: Any,
    batch: Mapping[str, Any],
    control: ControlTokens | None = None,
) -> Tensor:
    """Slot of each token.

    A placeholder id gives its modality, a special id or a template span `Modality.SPECIAL`, everything else is text.
    A template span runs from a start id through the next end id when that comes within 8 tokens and no other special or
    placeholder id comes between. The first token of each sequence that is not padding has position class FIRST.

    Args:
        config: the model's config.
        batch: a processor's output: input_ids [batch, seq] and, when there is padding, attention_mask [batch, seq]. In families
            that put images and video frames behind one id, `STANDS_FOR` says what each stands for; without it images.
        control: special ids and spans; without it nothing is special.

    Returns:
        int8 [batch, seq] of `core.modality.slot` labels, `PADDING` where attention_mask is 0.

    Raises:
        BatchError: no input_ids, or shapes that do not fit.
    """
    ids, mask = _ids_and_mask(batch)
    content = torch.full(ids.shape, MODALITIES.index(Modality.TEXT), dtype=torch.int8, device=ids.device)
    placed = placeholder_ids(config)
    is_placed = torch.zeros(ids.shape, dtype=torch.bool, device=ids.device)
    for index, modality in placed.items():
        here = ids == index
        is_placed |= here
        content[here] = MODALITIES.index(modality)
        if modality is Modality.IMAGE and batch.get(STANDS_FOR) is not None:
            # While tokens are generated it is that of the whole prompt.
            content = torch.where(here, batch[STANDS_FOR].to(ids.device)[:, -ids.shape[1] :], content)
    if control is not None:
        special = _template(ids, is_placed, control) & ~is_placed
        content[special] = MODALITIES.index(Modality.SPECIAL)
    labels = content * len(POSITIONS) + POSITIONS.index(Position.REST)
    first = (mask.cumsum(dim=1) == 1) & mask
    labels[first] = content[first] * len(POSITIONS) + POSITIONS.index(Position.FIRST)
    labels[~mask] = PADDING
    return labels


def _ids_and_mask(batch: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    ids = batch.get("input_ids")
    if ids is None:
        raise BatchError(
            f"the batch has no input_ids (it has {', '.join(map(str, batch)) or 'nothing'}): without them no row's modality is "
            "known; pass the processor's whole output."
        )
    if not isinstance(ids, Tensor) or ids.ndim != 2:
        raise BatchError("input_ids must be a tensor [batch, seq]: ask the processor for return_tensors='pt'.")
    mask = batch.get("attention_mask")
    if mask is None:
        return ids, torch.ones_like(ids, dtype=torch.bool)
    if not isinstance(mask, Tensor) or mask.ndim != 2 or mask.shape[0] != len(ids) or mask.shape[1] < ids.shape[1]:
        raise BatchError(f"attention_mask must be [batch, seq] like input_ids {list(ids.shape)}: pass the processor's own mask.")
    return ids, mask[:, -ids.shape[1] :].bool()


def _template(ids: Tensor, is_placed: Tensor, control: ControlTokens) -> Tensor:
    """Bool [batch, seq]: special ids and template spans."""
    special = torch.isin(ids, torch.tensor(sorted(control.ids), dtype=ids.dtype, device=ids.device))
    marked = special.clone()
    length = ids.shape[1]
    for start, end in control.spans:
        for row, column in (ids == start).nonzero().tolist():
            for stop in range(column + 1, min(column + SPAN_LIMIT, length)):
                if ids[row, stop] == end:
                    marked[row, column : stop + 1] = True
                    break
                if special[row, stop] or is_placed[row, stop]:
                    break
    return marked
