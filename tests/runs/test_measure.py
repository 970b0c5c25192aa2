"""The observer of errors, on models whose linears share inputs in ways that the small model of the other tests does not."""

import torch
from torch import nn
from transformers import LlamaConfig

from morphoquant.core.layers import Component
from morphoquant.core.spec import QuantSpec
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.hooks.sharing import REMEMBERED
from morphoquant.methods.base import GroupInputs
from morphoquant.methods.rtn import RTN
from morphoquant.runs.measure import Measure


class Parallel(nn.Module):
    """The last linear is given the input of the first one, as a parallel MLP is, after as many others as are looked back."""

    def __init__(self):
        super().__init__()
        self.config = LlamaConfig(vocab_size=50, hidden_size=8, num_attention_heads=1)
        self.embed, self.chain, self.last = nn.Embedding(50, 8), nn.ModuleList(), nn.Linear(8, 8)
        self.chain.extend(nn.Linear(8, 8) for _ in range(REMEMBERED))

    def forward(self, input_ids=None):
        x = y = self.embed(input_ids)
        for linear in self.chain:
            y = linear(y)
        return y + self.last(x)


def test_a_linear_that_shares_the_earliest_input_remembered_is_measured():
    torch.manual_seed(0)
    model, spec = Parallel(), QuantSpec.parse("w4a4-token")
    members = {f"chain.{place}": [f"chain.{place}"] for place in range(REMEMBERED)}
    members["chain.0"].append("last")
    fits = {}
    for group, layers in members.items():
        weights = {layer: model.get_submodule(layer).weight.detach() for layer in layers}
        fits[group] = RTN().fit(GroupInputs(group, Component.LANGUAGE, None, "linear", weights), spec)
    measure = Measure([fits])
    with ModalityHooks(model, measure) as hooks:
        hooks.run({"input_ids": torch.tensor([[4, 5, 6]])})
    assert {layer.name: layer.group for layer in hooks.layers}["last"] == "chain.0"
    measured = {layer for layer, tap, source in measure.results[0].errors if (tap, source) == ("output", "both")}
    assert measured == {layer for layers in members.values() for layer in layers}
