"""The one way to a model: the embedded demo, a hub id or a local folder, each as a LoadedModel."""

import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from morphoquant.core.errors import ModelError
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.progress import Progress, silent
from morphoquant.data.sample import Sample
from morphoquant.models.answering import Answering
from morphoquant.models.control import ControlTokens, control_tokens
from morphoquant.models.placing import placing
from morphoquant.quant.experts import take_apart
from morphoquant.store.scratch import scratch

DEMO = "demo"
DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model and what is needed to feed it.

    Attributes:
        model: in eval mode.
        encode: samples -> a batch for the model's forward; modalities that the model lacks are left out. With answers=False
            the batch ends with the opening of the assistant's turn.
        identity: "id", "revision", "class" and "files" {name: sha256}; "dtype" where it is not float32.
        control: special tokens and chat-template spans.
        modalities: those that `encode` can feed.
        answering: ids of answers and of passages.
    """

    model: nn.Module
    encode: Callable[..., dict[str, Tensor]]
    identity: dict[str, Any]
    control: ControlTokens
    modalities: frozenset[Modality]
    answering: Answering

    def tokenize(self, answer: str) -> list[int]:
        """Ids of a text as the beginning of the assistant's turn."""
        return self.answering.answer(answer)

    def refusal(self, sample: Sample) -> str | None:
        """Why the model does not take a sample's media together, in one sentence; absent where it does."""
        own = getattr(self.encode, "refusal", None)
        return None if own is None else own(sample)

    @property
    def end_of_turn(self) -> int | None:
        """Id that closes the assistant's turn."""
        return self.answering.end_of_turn


def load(
    model: str,
    cache: Path,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    device: str = "cpu",
    weights: bool = True,
    dtype: str = DTYPES[0],
    memory: int | None = None,
    wheels: Path | None = None,
    progress: Progress = silent,
) -> LoadedModel:
    """Loads a model.

    Args:
        model: "demo", a hub id such as "Qwen/Qwen2.5-Omni-3B", or a local folder.
        cache: the project's cache folder; the embedded model is kept in it.
        revision: branch, tag or commit of a hub id.
        trust_remote_code: run code that the repository brings; only for one that you trust.
        device: "cpu" or a torch device.
        weights: False gives a model of shapes alone, on the meta device and in no time: what it is made of, and its encoder.
            The embedded model always has its weights.
        dtype: one of `DTYPES`, of weights and activations; the embedded model has but the first.
        memory: bytes of main memory that the process may take. Most of it is needed for statistics and fits: weights beyond the
            share that `models.placing` gives them are read from the disk for each forward. The embedded model is small and
            always in memory. Absent: all weights are on `device`.
        wheels: folder of the embedded model's wheels supplied by hand.
        progress: told what is done.

    Raises:
        ModelError: the model cannot be found, fetched, read or hooked.
    """
    if model == DEMO:
        if dtype != DTYPES[0]:
            raise ModelError(f"the embedded model runs in {DTYPES[0]}, not in {dtype}: leave out --dtype, or give another model.")
        from morphoquant.models.embedded.load import load_demo

        live, processor, identity = load_demo(cache, wheels=wheels, progress=progress)
        words = processor.tokenizer
        found = LoadedModel(live, processor, identity, control_tokens(words), frozenset(CONTENT), Answering(words, processor))
    else:
        from morphoquant.models.pretrained import load_pretrained

        kind = getattr(torch, dtype)
        with ExitStack() as stack:
            places = placing(memory, device, stack.enter_context(scratch(cache))) if memory is not None and weights else {}
            live, encoder, identity = load_pretrained(
                model, revision=revision, trust_remote_code=trust_remote_code, weights=weights, dtype=kind, places=places
            )
            # The folder goes when the model does, at the latest with the process.
            weakref.finalize(live, stack.pop_all().close)
        control, answering = control_tokens(encoder.processor), Answering(encoder.tokenizer, encoder)
        found = LoadedModel(live, encoder, identity, control, encoder.modalities, answering)
        if weights and (left := [m for m in CONTENT if m not in encoder.modalities]):
            progress(f"{model} takes no {', '.join(left)}: such parts are left out", 0, 0)
    check_linear(found.model, model)
    if not any(parameter.is_meta for parameter in found.model.parameters()):
        found.model.to(torch.device(device))
    found.model.eval()
    # Every verb finds the experts of a mixture as linears.
    take_apart(found.model)
    return found


def check_linear(model: nn.Module, name: str) -> None:
    """Refuses a model in which there is nothing to hook.

    Raises:
        ModelError: it has no nn.Linear.
    """
    if not any(isinstance(module, nn.Linear) for module in model.modules()):
        raise ModelError(f"the model {name!r} has no nn.Linear layer: there is nothing to measure in it, choose another model.")
