"""Perplexity: how likely a model finds held-out passages, token by token."""

from collections.abc import Sequence

import pyarrow as pa
import torch

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.models.load import LoadedModel
from morphoquant.runs.answers import forward
from morphoquant.store.schema import TABLES

LONGEST = 2048  # tokens of a passage that are read


def perplexity_table(loaded: LoadedModel, texts: Sequence[tuple[str, str]]) -> pa.Table:
    """The perplexity table of (identifier, text) passages; each is read alone, its first token given.

    Raises:
        BatchError: a passage has fewer than two tokens.
        ModelError: a likelihood is not finite.
    """
    rows = []
    for name, text in texts:
        ids = loaded.answering.passage(text)[:LONGEST]
        if len(ids) < 2:
            raise BatchError(f"passage {name!r} has {len(ids)} token, and the first is given: a passage needs two or more.")
        nll = _nll(loaded, ids)
        if not torch.isfinite(nll):
            raise ModelError(f"the likelihood of passage {name!r} is not finite: quantise to more bits, or leave it out.")
        rows.append({"passage": name, "tokens": len(ids) - 1, "nll": nll.item()})
    return pa.Table.from_pylist(rows, schema=TABLES["perplexity"])


def _nll(loaded: LoadedModel, ids: list[int]) -> torch.Tensor:
    given = torch.tensor([ids])
    logits = forward(loaded.model, {"input_ids": given, "attention_mask": torch.ones_like(given)})[0, :-1]
    steps = torch.log_softmax(logits.double(), -1)
    return -steps.gather(1, given[0, 1:, None].to(steps.device)).sum()
