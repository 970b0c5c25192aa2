"""Fits are found in main memory and used where the layer is: on a device that is not at hand here, so meta stands for it.

Nothing can be read back from meta, as no forward should from a device, and what elementwise operations mix with it they refuse;
matrix products do not, so every operation is looked at.
"""

from dataclasses import replace

import pytest
import torch
from made_groups import draw, group
from test_conformance import COMBINED, FIRST, FORMATS, VARIANTS, fit, honours, near
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from morphoquant.core.modality import Modality, Position, slot
from morphoquant.quant.linear import quantized

# Indices may lie in main memory.
FREE = {"to", "cpu", "copy_", "__getitem__", "__setitem__"}
CASES = [(text, near(text)) for text in dict.fromkeys([*FIRST, *COMBINED, *VARIANTS["morphomodal"]])]
CASES += [("rtn", spec) for spec in FORMATS] + [(text, "w4a8") for text in FIRST if honours(text, "w4a8")]


class OneDevice(TorchFunctionMode):
    """Refuses operations on tensors of several devices, but for those that may take such."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor) and one.dim()]
        if getattr(function, "__name__", "") not in FREE:
            assert len({one.device for one in tensors}) <= 1, f"{function} is given tensors of several devices"
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("text", "spec"), CASES)
def test_a_quantised_layer_stays_on_its_device(text, spec):
    model = nn.Sequential(nn.Linear(32, 8, device="meta"))
    weight = torch.randn(8, 32, generator=torch.Generator().manual_seed(0))
    found = fit(text, replace(group(draw()), group="0", weights={"0": weight}), spec)
    rows = torch.empty(6, 32, device="meta")
    with quantized(model, {"0": found}):
        model[0].slots = torch.tensor([slot(modality, Position.REST) for modality in (*Modality,)[:6]], dtype=torch.int8)
        with torch.inference_mode(), OneDevice():
            assert model(rows).is_meta


def test_what_mixes_devices_is_found():
    with OneDevice(), pytest.raises(AssertionError, match="several devices"):
        nn.functional.linear(torch.empty(2, 3, device="meta"), torch.ones(4, 3))
