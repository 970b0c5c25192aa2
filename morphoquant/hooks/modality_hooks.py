"""ModalityHooks: while it is open, every linear of a model hands its labelled input rows to an observer."""

import inspect
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from morphoquant.core.errors import ModelError
from morphoquant.core.layers import Component, LayerInfo, block_of, role_of
from morphoquant.core.modality import Modality
from morphoquant.hooks.components import components
from morphoquant.hooks.routed import RoutedRows
from morphoquant.hooks.rows import Forward
from morphoquant.hooks.sharing import RecentInputs, SharedInput
from morphoquant.hooks.towers import Towers
from morphoquant.models.families.base import family_of
from morphoquant.models.labels import ControlTokens
from morphoquant.models.placeholders import reading_config
from morphoquant.models.shared_placeholder import STANDS_FOR, said
from morphoquant.quant.experts import experts_apart


class Observer(Protocol):
    """What receives the rows. `on_linear(layer, group, module, x, slots)`, called for every linear, is optional."""

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Takes an input once for all linears that share it.

        Args:
            group: name of the first of them.
            module: that linear.
            x: rows [rows, K] in the model's type and on its device; not to be written to.
            slots: int8 [rows], `PADDING` for rows to leave out. The same object for inputs with the same rows.
            keys: int64 [rows], one number for each token.
        """


class ModalityHooks:
    """A context manager that labels and observes every nn.Linear of a live model, those of fused experts among them.

    Hooks and wrapped methods are gone when the block is left, also by an exception. Inside it, run batches with `run`, or
    call or generate with the model as usual.

    Args:
        model: any transformers model.
        observer: receives the rows.
        control: special tokens and template spans, so that they are told from content; absent, they count as text.
        first_sample: index of the first sequence, when an earlier run is continued.
    """

    def __init__(self, model: nn.Module, observer: Observer, control: ControlTokens | None = None, first_sample: int = 0):
        self.model = model
        self.observer = observer
        self.control = control
        self._next_sample = first_sample
        self._layers: dict[str, LayerInfo] = {}
        self._tokens: list[dict[int, int]] = []
        self._begun = 0  # sequences of the last batch
        self._recent = RecentInputs()
        self._forward: Forward | None = None
        self._stack: ExitStack | None = None
        self._on_linear = getattr(observer, "on_linear", None)

    @property
    def layers(self) -> list[LayerInfo]:
        """The linears that ran, in the order of their first run, with all of a mixture's experts once one of them did."""
        return list(self._layers.values())

    @property
    def tokens(self) -> list[dict[int, int]]:
        """For each sequence so far its tokens by slot, padding left out; generated tokens belong to the last batch."""
        return self._tokens

    def run(self, batch: Mapping[str, Any], visual: Modality | Sequence[Modality] | None = None) -> Any:
        """Runs one batch without gradients.

        Args:
            batch: a processor's output.
            visual: what the image placeholder stands for in this batch, or in each of its sequences, for models that put
                images and video frames behind one id (InternVL, SmolVLM). Absent: what the batch says, else images.

        Returns:
            The model's output.

        Raises:
            BatchError: no input_ids, or shapes that do not fit.
        """
        if visual is not None and "input_ids" in batch:
            batch = {**batch, STANDS_FOR: said(visual, batch["input_ids"])}
        with torch.no_grad():
            return self.model(**batch)

    def __enter__(self) -> "ModalityHooks":
        with ExitStack() as stack:
            stack.enter_context(experts_apart(self.model))
            linears = {name: module for name, module in self.model.named_modules() if isinstance(module, nn.Linear)}
            if not linears:
                raise ModelError("the model has no nn.Linear layer: there is nothing to measure in it, choose another model.")
            self._towers = Towers(self.model, family_of(reading_config(getattr(self.model, "config", None))))
            self._components = components(self.model)
            self._routed = RoutedRows(self.model)
            self._signature = inspect.signature(self.model.forward)
            self._towers.watch(stack)
            stack.callback(self.model.train, self.model.training)
            self.model.eval()
            pre = self.model.register_forward_pre_hook(self._begin, with_kwargs=True)
            stack.callback(pre.remove)
            stack.callback(self.model.register_forward_hook(self._end, always_call=True).remove)
            for path, module in self._routed.fused.items():
                stack.callback(module.register_forward_pre_hook(self._share_out(path), with_kwargs=True).remove)
            for name, module in linears.items():
                stack.callback(module.register_forward_pre_hook(self._hook(name), with_kwargs=True).remove)
            stack.callback(self._recent.clear)
            stack.callback(self._routed.clear)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> None:
        self._forward = None
        self._stack.close()

    def _begin(self, model: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        stands_for = kwargs.get(STANDS_FOR)
        if STANDS_FOR not in self._signature.parameters:  # said to us, not to the model
            kwargs.pop(STANDS_FOR, None)
        batch = {**self._named(args, kwargs), STANDS_FOR: stands_for}
        count_before = self._next_sample
        continues = self._forward_continues(batch)
        if continues:
            count_before -= len(batch["input_ids"])
        self._forward = Forward.begin(model.config, batch, self.control, self._towers, count_before)
        if not continues:
            self._begun = len(self._forward.slots)
            self._next_sample += self._begun
            self._tokens.extend({} for _ in self._forward.slots)
        for counts, row in zip(self._tokens[-len(self._forward.slots) :], self._forward.slots.cpu(), strict=True):
            labels, amounts = row[row >= 0].unique(return_counts=True)
            for label, amount in zip(labels.tolist(), amounts.tolist(), strict=True):
                counts[label] = counts.get(label, 0) + amount
        return args, kwargs

    def _named(self, args: tuple, kwargs: dict) -> dict[str, Any]:
        bound = self._signature.bind_partial(*args, **kwargs)
        extra = [name for name, p in self._signature.parameters.items() if p.kind is inspect.Parameter.VAR_KEYWORD]
        named = dict(bound.arguments)
        for name in extra:
            named.update(named.pop(name, {}))
        return named

    def _forward_continues(self, batch: Mapping[str, Any]) -> bool:
        """Whether the rows go on from those of the last batch; rows of a cache that was copied for others begin anew."""
        past = batch.get("past_key_values")
        filled = past is not None and hasattr(past, "get_seq_length") and past.get_seq_length() > 0
        return filled and len(batch["input_ids"]) == self._begun

    def _end(self, model: nn.Module, args: tuple, output: Any) -> None:
        self._forward = None
        self._recent.clear()
        self._routed.clear()

    def _share_out(self, path: str):
        def observe(module: nn.Module, args: tuple, kwargs: dict) -> None:
            if self._forward is None:
                return
            x = args[0] if args else kwargs["hidden_states"]
            self._routed.begin(path, self._forward.label(path, x.shape, False))
            for name, linear in self._routed.linears[path].items():
                if name not in self._layers:
                    self._layers[name] = self._info(name, name, linear)

        return observe

    def _hook(self, name: str):
        def observe(module: nn.Linear, args: tuple, kwargs: dict) -> None:
            x = args[0] if args else kwargs["input"]
            if self._forward is None or x.numel() == 0:
                return
            shared = self._shared(name, module, x)
            if self._on_linear is not None:
                self._on_linear(name, shared.group, module, _flat(x), shared.rows.slots)

        return observe

    def _shared(self, name: str, module: nn.Linear, x: Tensor) -> SharedInput:
        known = self._layers.get(name)
        found = self._recent.find(x)
        if found is not None and (known is None or known.group == found.group):
            if known is None:
                self._layers[name] = self._info(name, found.group, module)
            return found
        if known is None:
            self._layers[name] = known = self._info(name, name, module)
        elif known.group != name:
            raise ModelError(
                f"linear {name!r} shared its input with {known.group!r} in one batch and does not in another: "
                "such a model cannot be captured, because the statistics of shared inputs are kept once."
            )
        rows = self._routed.of(name) or self._forward.label(name, x.shape, known.component is Component.HEAD)
        fresh = SharedInput.of(x, name, rows)
        self._recent.remember(fresh)
        self.observer.on_input(name, module, _flat(x), rows.slots, rows.keys)
        return fresh

    def _info(self, name: str, group: str, module: nn.Linear) -> LayerInfo:
        component = self._components[name]
        return LayerInfo(name, group, component, block_of(name), role_of(name), module.in_features, module.out_features)


def _flat(x: Tensor) -> Tensor:
    return x.detach().reshape(-1, x.shape[-1])
