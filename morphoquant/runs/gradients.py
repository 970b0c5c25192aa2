"""How much the loss of the answers depends on the tokens of each modality: MBQ's gradient ratios, measured on the model itself.

    g_m = mean over samples of mean_{t in m} mean_n |dL/dy_tn|        rho_m = g_m / g_answers

at the outputs y of attention and of the gated product in each decoder block; L is the mean cross-entropy of the answer's tokens.
Each half of a block has a rho of its own, not below the median over the blocks.

Source: MBQ (arXiv 2412.19509) and its published code, which takes o_proj and down_proj. Rows of the answers are those that
predict its tokens, so that an answer of one token has one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor, nn

from morphoquant.core.errors import BatchError
from morphoquant.core.layers import Component, block_of, block_path, role_of
from morphoquant.core.modality import Modality
from morphoquant.core.progress import Progress, silent, track
from morphoquant.data.sample import Sample
from morphoquant.hooks.components import components
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.methods.modalities import OWN
from morphoquant.models.load import LoadedModel
from morphoquant.quant.by_modality import rows_of
from morphoquant.quant.residence import device_of
from morphoquant.runs.answers import check_taken
from morphoquant.runs.keeping import has_forward
from morphoquant.runs.recomputed import recomputed

# Last linears of attention and of the gated product, by the names that model families give them.
ROLES = frozenset({"o_proj", "out_proj", "wo", "down_proj", "w2", "fc2"})


@dataclass(frozen=True)
class Gradients:
    """Mean magnitudes of gradients.

    Attributes:
        by_layer: for each layer the mean over samples by modality; under None that of the answers' tokens.
        samples: how many had an answer.
        seconds: time that measuring took; 0 where nobody looked at the clock.
    """

    by_layer: Mapping[str, Mapping[Modality | None, float]]
    samples: int
    seconds: float = 0.0

    def ratios(self) -> dict[Modality, float]:
        """rho of each modality that is present: the median over layers of its gradient over that of the answers."""
        return self._medians(self.by_layer)

    def ratios_of(self, group: str) -> dict[Modality, float]:
        """rho of each modality for the linears that share one input, by the name of the first of them.

        Their half of the block, attention or the gated product, ends in a linear that was measured, if the two stand beside each
        other: rho is that layer's own, but at least the median over layers of its role. For others it is the median over all.
        """
        parent = group.rpartition(".")[0]
        end = next((layer for layer in self.by_layer if layer.rpartition(".")[0] == parent), None)
        if end is None:
            return self.ratios()
        alike = self._medians({layer for layer in self.by_layer if role_of(layer) == role_of(end)})
        own = self._medians({end})
        return {modality: max(least, own.get(modality, least)) for modality, least in alike.items()}

    def _medians(self, layers: Collection[str]) -> dict[Modality, float]:
        found: dict[Modality, list[float]] = {}
        for layer in layers:
            means = self.by_layer[layer]
            for modality, mean in means.items():
                if modality is not None and means.get(None, 0) > 0:
                    found.setdefault(modality, []).append(mean / means[None])
        return {modality: median(found[modality]) for modality in OWN if modality in found}


@dataclass(eq=False)
class _Watched:
    """Gradients of the outputs of some linears in the sample that runs now, and labels of their rows."""

    names: frozenset[str]
    slots: dict[str, Tensor] = field(default_factory=dict)
    sizes: dict[str, Tensor] = field(default_factory=dict)

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Inputs are of no interest."""

    def on_linear(self, layer: str, group: str, module: nn.Linear, x: Tensor, slots: Tensor) -> None:
        if layer in self.names:
            self.slots[layer] = slots

    def after(self, layer: str):
        """A forward hook that notes the mean magnitude of each row's gradient."""

        def watch(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            output.register_hook(lambda grad: self.sizes.__setitem__(layer, grad.detach().flatten(0, -2).abs().double().mean(1)))

        return watch


def measure_gradients(loaded: LoadedModel, samples: Sequence[Sample], progress: Progress = silent) -> Gradients:
    """Runs each sample that has an answer forward and backward, one at a time.

    Memory holds the inputs of all blocks, and of one block at a time, or the head, what backward needs.

    Args:
        loaded: a model with a language head. Its parameters get no gradients.
        samples: those without an answer are passed over.
        progress: told what is done.

    Raises:
        BatchError: no sample has an answer, or the model does not take a sample's media.
    """
    asked = [sample for sample in samples if sample.answer is not None]
    if not asked:
        raise BatchError("no sample has an answer: gradients are those of the answers' loss, give samples with answers.")
    model, parts = loaded.model, components(loaded.model)
    inside = [name for name, part in parts.items() if part is Component.LANGUAGE and block_of(name) is not None]
    names = frozenset(name for name in inside if role_of(name) in ROLES)
    blocks = [name for name in {block_path(one): None for one in inside} if name and has_forward(model.get_submodule(name))]
    sums: dict[str, dict[Modality | None, list[float]]] = {name: {} for name in names}
    with ExitStack() as stack:
        watched = _Watched(names)
        stack.enter_context(ModalityHooks(model, watched, loaded.control))
        stack.enter_context(_frozen(model))
        # The embeddings' output is where gradients begin, so that no parameter needs any.
        embeddings = model.get_input_embeddings()
        # The clone is no leaf: models write media into it.
        begin = embeddings.register_forward_hook(lambda *args: args[-1].detach().requires_grad_().clone())
        stack.callback(begin.remove)
        for name in names:
            stack.callback(model.get_submodule(name).register_forward_hook(watched.after(name)).remove)
        stack.enter_context(recomputed(model, blocks))
        for sample in track(asked, "measuring gradients", len(asked), progress):
            check_taken(loaded, sample)
            answer = _backward(loaded, sample)
            for name, size in watched.sizes.items():
                places = {modality: rows_of(watched.slots[name], modality) for modality in OWN}
                for modality, rows in {None: answer, **places}.items():
                    if bool(rows.any()):
                        sums[name].setdefault(modality, []).append(float(size[rows].mean()))
            watched.sizes.clear()
    return Gradients({name: {m: sum(v) / len(v) for m, v in found.items()} for name, found in sums.items() if found}, len(asked))


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """No parameter learns inside the `with`. They go by name: those of offloaded models are others after each forward, and no
    longer tied."""
    learns = {name: parameter.requires_grad for name, parameter in model.named_parameters(remove_duplicate=False)}
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for name, parameter in model.named_parameters(remove_duplicate=False):
            parameter.requires_grad_(learns[name])


def _backward(loaded: LoadedModel, sample: Sample) -> Tensor:
    """Runs the answer's loss back through the model; True where a row predicts a token of the answer [tokens]."""
    device = device_of(loaded.model)
    whole = {name: value.to(device) for name, value in loaded.encode([sample]).items()}
    ids, prompt = whole["input_ids"], loaded.encode([sample], answers=False)["input_ids"].to(device)
    begin = prompt.shape[1]
    if begin >= ids.shape[1] or not torch.equal(ids[:, :begin], prompt):
        raise BatchError(f"the answer of sample {sample.id!r} does not follow its question in the model's chat template.")
    with torch.enable_grad():
        logits = loaded.model(**whole).logits
        nn.functional.cross_entropy(logits[0, begin - 1 : -1].float(), ids[0, begin:]).backward()
    answer = torch.zeros(ids.shape[1], dtype=torch.bool, device=device)
    answer[begin - 1 : -1] = True
    return answer
