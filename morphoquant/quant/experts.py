"""Experts of a mixture, of which transformers holds the weights of all in one tensor, taken apart into linears.

A fused module keeps gate_up_proj [experts, 2 * inner, hidden] and down_proj [experts, hidden, inner], and no nn.Linear. Taken
apart it has a child for each expert with linears of the same names, `experts.3.gate_up_proj` and `experts.3.down_proj`, so that
whatever hooks, measures or replaces linears reaches them. No weight is copied, and the parameters of the model stay what they
are.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# As which experts implementation of transformers the forward below is registered.
IMPLEMENTATION = "morphoquant"
# What transformers' use_experts_implementation leaves on a module.
_DECLARED = ("num_experts", "has_gate", "has_bias", "is_transposed", "has_post_expert_norm", "_apply_gate")


class ExpertLinear(nn.Linear):
    """One matrix of one expert. It holds no parameter: weight and bias are views of the fused ones, read when asked for, so that
    they follow a model that is moved, changed or loaded piece by piece.

    Args:
        fused: the module that holds all experts.
        role: name of the parameter, such as "down_proj".
        index: of the expert.
    """

    def __init__(self, fused: nn.Module, role: str, index: int):
        nn.Module.__init__(self)
        # In a tuple, or it would be a child of its child.
        self._fused = (fused,)
        self.role, self.index = role, index
        self.out_features, self.in_features = self.weight.shape

    @property
    def fused(self) -> nn.Module:
        """The module that holds all experts."""
        return self._fused[0]

    @property
    def weight(self) -> nn.Parameter:
        """View [out, in] of the fused weight."""
        one = getattr(self.fused, self.role).detach()[self.index]
        return nn.Parameter(one.T if self.fused.is_transposed else one, requires_grad=False)

    @property
    def bias(self) -> nn.Parameter | None:
        """View [out] of the fused bias."""
        if not self.fused.has_bias:
            return None
        return nn.Parameter(getattr(self.fused, f"{self.role}_bias").detach()[self.index], requires_grad=False)


class Expert(nn.Module):
    """The linears of one expert.

    Attributes:
        rows: places of the rows that it was given last among those of all experts, int64 [rows].
    """

    def __init__(self, fused: nn.Module, index: int):
        super().__init__()
        self.first = "gate_up_proj" if fused.has_gate else "up_proj"
        for role in (self.first, "down_proj"):
            self.add_module(role, ExpertLinear(fused, role, index))
        self.rows: Tensor | None = None


def fused_experts(model: nn.Module) -> dict[str, nn.Module]:
    """The fused modules that can be taken apart, by path."""
    return {name: module for name, module in model.named_modules() if all(hasattr(module, one) for one in _DECLARED)}


def still_fused(model: nn.Module) -> dict[str, nn.Module]:
    """Modules that hold experts in one tensor and cannot be taken apart, by path: nothing of them is measured or quantised."""
    known = fused_experts(model)
    return {
        name: module
        for name, module in model.named_modules()
        if name not in known
        and "expert" in type(module).__name__.lower()
        and any(parameter.ndim == 3 for parameter in module.parameters(recurse=False))
    }


def take_apart(model: nn.Module) -> Callable[[], None]:
    """Takes apart the fused experts that are not yet; what it returns puts them together again."""
    todo = {name: module for name, module in fused_experts(model).items() if "0" not in module._modules}
    if todo:
        from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

        ALL_EXPERTS_FUNCTIONS.register(IMPLEMENTATION, _forward)
    # Modules of one model share their config.
    before = {id(module.config): (module.config, module.config._experts_implementation) for module in todo.values()}
    for module in todo.values():
        for index in range(module.num_experts):
            module.add_module(str(index), Expert(module, index))
    for config, _ in before.values():
        config._experts_implementation = {"": IMPLEMENTATION}

    def together() -> None:
        for module in todo.values():
            for index in range(module.num_experts):
                del module._modules[str(index)]
        for config, implementation in before.values():
            config._experts_implementation = {"": implementation}

    return together


@contextmanager
def experts_apart(model: nn.Module) -> Iterator[nn.Module]:
    """The model with its fused experts taken apart inside the `with`; those that are already stay as they are."""
    together = take_apart(model)
    try:
        yield model
    finally:
        together()


def _forward(self: nn.Module, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
    """Forward of a fused module [tokens, hidden] by its children; the arithmetic, and its order, is that of the eager one.

    Args:
        self: the fused module.
        hidden_states: [tokens, hidden].
        top_k_index: experts of each token [tokens, k]; with experts spread over devices, those elsewhere have the number of all.
        top_k_weights: their weights [tokens, k].
    """
    summed = torch.zeros_like(hidden_states)
    for index in top_k_index.unique().tolist():
        if index >= self.num_experts:
            continue
        places, rows = torch.where(top_k_index.T == index)
        expert = self._modules[str(index)]
        expert.rows = rows
        y = _expert(self, expert, hidden_states[rows]) * top_k_weights[rows, places, None]
        summed.index_add_(0, rows, y.to(summed.dtype))
    return summed


def _expert(fused: nn.Module, expert: Expert, x: Tensor) -> Tensor:
    x = expert.get_submodule(expert.first)(x)
    x = fused._apply_gate(x) if fused.has_gate else fused.act_fn(x)
    x = expert.get_submodule("down_proj")(x)
    return fused.post_expert_norm(x) if fused.has_post_expert_norm else x
