"""Blocks of stock models whose inside backward computes anew have the gradients of those whose inside is kept."""

from contextlib import nullcontext

import pytest
import torch
from tiny_families import FAMILIES
from tiny_mixtures import MIXTURES
from tiny_models import MODELS

from morphoquant.core.layers import Component, block_path
from morphoquant.hooks.components import components
from morphoquant.runs.recomputed import recomputed

MADE = {**MODELS, **FAMILIES, **MIXTURES}


@pytest.mark.parametrize("name", MADE)
def test_gradients_of_blocks_that_run_again_are_those_of_blocks_that_are_kept(name):
    model, batch, *_ = MADE[name]()
    parts = components(model.requires_grad_(False).eval())
    blocks = list({block_path(one): None for one, part in parts.items() if part is Component.LANGUAGE and block_path(one)})
    runs, found = [], []
    handle = model.get_submodule(blocks[0]).register_forward_hook(lambda *_: runs.append(1))
    inside = next(one for one in parts if one.startswith(f"{blocks[0]}."))
    again = model.get_submodule(inside).register_forward_hook(lambda *_: runs.append(2))
    for watching in (nullcontext(), recomputed(model, blocks)):
        given = []

        def begin(module, args, output, given=given):
            given.append(output.detach().requires_grad_())
            return given[-1].clone()

        hook = model.get_input_embeddings().register_forward_hook(begin)
        with watching:
            model(**batch).logits.logsumexp(-1).sum().backward()
        hook.remove()
        # Granite asks the table of embeddings a second time, and for nothing.
        found.append(next(one.grad for one in given if one.grad is not None))
    handle.remove()
    again.remove()
    # Gemma 3n's gradients are NaN at padding, whatever is kept.
    torch.testing.assert_close(*found, rtol=0, atol=0, equal_nan=True)
    assert found[0].nan_to_num().abs().max() > 0
    assert runs.count(1) == 2 and runs.count(2) == 3, "backward runs what stands inside a block once more"
