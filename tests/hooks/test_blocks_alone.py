"""Decoder and encoder blocks of stock models can be run alone on what a capture keeps, padding known."""

import pytest
import torch
from tiny_models import MODELS

import morphoquant
from morphoquant.core.layers import Component, block_path
from morphoquant.core.modality import PADDING
from morphoquant.core.spec import QuantSpec
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.methods.options import parse_method
from morphoquant.runs.blocks import Blocks
from morphoquant.runs.fitting import fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.store.run_store import RunStore


class Padding:
    """Notes the rows of each input that are padding."""

    def __init__(self):
        self.rows = {}

    def on_input(self, group, module, x, slots, keys):
        self.rows.setdefault(group, []).append(slots == PADDING)


@pytest.mark.parametrize("name", list(MODELS))
def test_every_block_runs_alone_and_is_fitted_on_its_output(name, tmp_path):
    model, batch, _ = MODELS[name]()
    run = morphoquant.capture(model, [batch], store=RunStore(tmp_path), keep_rows=16)
    inputs = CalibrationInputs(run, model, list(Component))
    blocks = Blocks(inputs)
    numbered = [group for group in inputs.groups if "layers." in group or ".layer." in group or "blocks." in group]
    assert len(numbered) >= 8 and all(blocks.holding(group) == block_path(group) is not None for group in numbered)
    padding = Padding()
    with ModalityHooks(model, padding) as hooks:
        hooks.run(batch)
    compared = 0
    for group in numbered:
        if group == next(one for one in numbered if block_path(one) == block_path(group)):
            continue
        calls = blocks.calls(block_path(group))
        rows = [~call.keep.flatten() for call in calls]
        # Inside a block some inputs are cut up differently; those that are not have the same padding.
        if [len(one) for one in rows] == [len(one) for one in padding.rows[group]]:
            assert all(torch.equal(one, other) for one, other in zip(rows, padding.rows[group], strict=True))
            compared += 1
    assert compared
    (fits,) = fit([(parse_method("omniquant:steps=1"), QuantSpec.parse("w4a4-token"))], inputs)
    assert list(fits) == inputs.groups
