"""The model as lmms-eval sees it: its chat interface with media between texts, and its simple one with media and a text."""

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from lmms_eval.protocol import ChatMessages
from loguru import logger
from tqdm import tqdm

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.data.sample import Sample
from morphoquant.handover.arguments import SCOPE, SPEC, Arguments
from morphoquant.handover.fitted import capture_of, fitted
from morphoquant.handover.generation import Wanted, answer
from morphoquant.handover.likelihoods import likelihoods
from morphoquant.handover.prompts import from_messages, from_text
from morphoquant.models.load import LoadedModel, load
from morphoquant.runs.quantised_model import quantised_model


class Served(lmms):
    """What the two interfaces share: the model, quantised for as long as it is served, and its answers in words.

    Args:
        loaded: a model that is loaded already, from a notebook; absent: `pretrained` is loaded. Its linears come back with
            `clean`, which lmms-eval calls when all is answered.
        words: see `Arguments`.

    Raises:
        MorphoQuantError: see `Arguments`, `capture_of`, `load` and `fitted`.
    """

    def __init__(self, loaded: LoadedModel | None = None, **words: Any) -> None:
        super().__init__()
        self.arguments = given = Arguments.read(words)
        capture = capture_of(given)
        if loaded is None:
            trust, device = given.trust_remote_code, given.device
            loaded = load(given.pretrained, given.folder, revision=given.revision, trust_remote_code=trust, device=device)
        fits = fitted(given, capture, loaded)
        self._loaded: LoadedModel | None = loaded
        self._active = ExitStack()
        self._active.enter_context(quantised_model(loaded.model, fits, loaded.control))
        what = f"{given.method} {given.spec or SPEC} in {given.scope or SCOPE}" if fits else "full precision"
        linears = sum(len(one.weights) for one in fits.values())
        logger.info(f"MorphoQuant serves {loaded.identity['id']}, {what}: {linears} linears are quantised.")

    @property
    def loaded(self) -> LoadedModel:
        """The model.

        Raises:
            ModelError: lmms-eval was done with it.
        """
        if self._loaded is None:
            raise ModelError("this model was let go when lmms-eval was done with it: make it anew.")
        return self._loaded

    @property
    def device(self) -> torch.device:
        """Where the model is; lmms-eval asks where several processes run."""
        return next(self.loaded.model.parameters()).device

    def clean(self) -> None:
        """Puts the original linears back and lets the model go."""
        self._active.close()
        self._loaded = None
        super().clean()

    @abstractmethod
    def asked(self, request: Instance) -> tuple[Sample, Mapping[str, Any]]:
        """What a request to generate asks, and the task's generation_kwargs.

        Raises:
            BatchError: it cannot be asked.
        """

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """An answer in words to each request. One that cannot be asked gets the empty answer, and a warning says why.

        Raises:
            BatchError: none of them can be asked.
        """
        found, reasons, told = [], [], set()
        for request in tqdm(requests, desc="answering", disable=self.rank != 0):
            try:
                sample, words = self.asked(request)
                wanted = Wanted.read(words, self.arguments.max_new_tokens)
                said = answer(self.loaded, sample, wanted)
            except BatchError as error:
                reasons.append(str(error))
                logger.warning(f"{_name(request)} counts as answered wrong: {error}")
                found.append(GenerationResult(""))
                continue
            if wanted.others and wanted.others not in told:
                told.add(wanted.others)
                logger.warning(f"{request.task_name} wants {', '.join(wanted.others)}: answers are greedy here all the same.")
            found.append(GenerationResult(said.text, TokenCounts(input_tokens=said.read, output_tokens=said.written)))
        if reasons and len(reasons) == len(requests):
            raise BatchError(f"none of the {len(requests)} items can be asked; the first: {reasons[0]}")
        return found

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refuses.

        Raises:
            BatchError: always.
        """
        raise BatchError("tasks of several rounds are not answered here: choose tasks that ask once.")

    def loglikelihood(self, requests: list[Instance]) -> list[GenerationResult]:
        """Refuses; see `ServedSimple`.

        Raises:
            BatchError: always.
        """
        raise BatchError("likelihoods are asked for through lmms-eval's simple interface: add --force_simple.")


class ServedChat(Served):
    """Takes lmms-eval's chat messages."""

    is_simple = False

    def asked(self, request: Instance) -> tuple[Sample, Mapping[str, Any]]:
        _, to_messages, words, number, task, split = request.args
        try:
            messages = ChatMessages(messages=to_messages(self.task_dict[task][split][number])).messages
        except (TypeError, ValueError) as error:
            # Of sounds, lmms-eval's automatic messages know paths only.
            raise BatchError(
                f"lmms-eval cannot put this item into messages ({str(error).splitlines()[0]}): add --force_simple."
            ) from error
        return from_messages(_name(request), messages, self.arguments.frames), words


class ServedSimple(Served):
    """Takes a text and its media as the task has them: for tasks of likelihoods, and of sounds that are no files."""

    is_simple = True

    def asked(self, request: Instance) -> tuple[Sample, Mapping[str, Any]]:
        return self._sample(request), request.args[1]

    def loglikelihood(self, requests: list[Instance]) -> list[GenerationResult]:
        """How likely each request's continuation is, and whether it is what the model would say.

        lmms-eval's formulas take a loss where there are choices (the least is chosen), and a log-likelihood where there is one
        target (its perplexity). The pair travels in a GenerationResult, as 0.7.3 makes text of a bare one.

        Raises:
            BatchError: an item cannot be asked. All stops, as no number would count as a wrong answer.
        """
        if any(len(request.args) != 6 for request in requests):
            raise BatchError("mutual information asks without a question, which a chat cannot: choose acc or acc_norm.")
        members: dict[tuple, list[int]] = {}
        for place, request in enumerate(requests):
            members.setdefault((request.args[0], *request.args[3:]), []).append(place)
        found: list[GenerationResult | None] = [None] * len(requests)
        for places in tqdm(members.values(), desc="weighing answers", disable=self.rank != 0):
            texts = [self._continuation(requests[place]) for place in places]
            answers = list(dict.fromkeys(texts))
            sample = self._sample(requests[places[0]])
            likely = dict(zip(answers, likelihoods(self.loaded, sample, answers, self.arguments.batch_size), strict=True))
            for place, text in zip(places, texts, strict=True):
                is_choice = isinstance(requests[place].args[1], str)
                found[place] = GenerationResult((-likely[text].log if is_choice else likely[text].log, likely[text].greedy))
        return found

    def _sample(self, request: Instance) -> Sample:
        text, _, to_media, number, task, split = request.args
        media = to_media(self.task_dict[task][split][number]) if to_media else ()
        return from_text(_name(request), text, media, self.arguments.frames)

    def _continuation(self, request: Instance) -> str:
        _, target, _, number, task, split = request.args
        return target if isinstance(target, str) else str(target(self.task_dict[task][split][number]))


def _name(request: Instance) -> str:
    *_, number, task, split = request.args
    return f"{task}/{split}/{number}"
