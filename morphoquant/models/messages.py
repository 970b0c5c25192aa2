"""Samples to a batch through a processor's own chat template, or through a tokenizer's for a model of text alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.resample import resampled
from morphoquant.data.sample import SAMPLE_RATE, Part, Sample
from morphoquant.models.shared_placeholder import STANDS_FOR, SharedPlaceholder, Talk, visual_kinds

# What processors and templates raise at samples that they cannot take.
_REFUSALS = (ValueError, TypeError, ImportError, LookupError, ArithmeticError, AttributeError, RuntimeError, TemplateError)
# Attribute of a processor -> the modality that it prepares.
_PREPARES = {
    "image_processor": Modality.IMAGE,
    "video_processor": Modality.VIDEO,
    "feature_extractor": Modality.AUDIO,
    "audio_processor": Modality.AUDIO,
}


def prepared_modalities(processor: Any) -> frozenset[Modality]:
    """What a processor can prepare; text always."""
    found = {modality for name, modality in _PREPARES.items() if getattr(processor, name, None) is not None}
    return frozenset({Modality.TEXT, *found})


@dataclass(frozen=True, eq=False)
class MessageEncoder:
    """Makes batches of a model from the hub or a folder. Parts of other modalities than `modalities` are left out.

    Attributes:
        processor: a transformers processor, or a tokenizer.
        modalities: that model and processor take.
        shared: image placeholder that video frames stand behind too; absent where they have their own.
        several_turns: it makes talks of several turns, with a system's message too.
    """

    processor: Any
    modalities: frozenset[Modality]
    shared: SharedPlaceholder | None = None
    several_turns: bool = True

    def __call__(self, samples: Sequence[Sample], *, answers: bool = True) -> dict[str, torch.Tensor]:
        """A batch for the model's forward, padded where samples differ in length.

        Args:
            samples: one sequence each.
            answers: close each sample that has an answer with it.

        Raises:
            BatchError: there is no sample, nothing is left of one, or the processor refuses it.
        """
        if not samples:
            raise BatchError("there is no sample to encode: give at least one.")
        talks, names = [self._messages(sample, answers) for sample in samples], [sample.id for sample in samples]
        more = self._chosen(talks)
        if self.shared is not None:
            more |= self.shared.options(talks, names[0])
        opened = all(talk[-1]["role"] == "user" for talk in talks)
        tokenizer = self.tokenizer
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        try:
            if tokenizer is self.processor:
                return self._texts(talks, opened)
            batch = self.processor.apply_chat_template(
                talks,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                add_generation_prompt=opened,
                processor_kwargs={"padding": True, **more},
            )
        except _REFUSALS as error:
            kinds = ", ".join(sorted({sample.kind for sample in samples}))
            raise BatchError(f"the model's processor cannot encode samples of kind {kinds} ({_first_line(error)}).") from error
        found = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
        if self.shared is not None:
            found[STANDS_FOR] = self.shared.labels(batch, talks, names, tokenizer)
        return found

    def refusal(self, sample: Sample) -> str | None:
        """Why the model does not take a sample's media together, in one sentence; absent where it does."""
        return None if self.shared is None else self.shared.refusal(sample.modalities, sample.id)

    def _chosen(self, talks: list[Talk]) -> dict[str, bool]:
        """The frames of a sample are chosen already: Qwen3-VL's processor would keep four of sixteen."""
        videos = any(Modality.VIDEO in visual_kinds(talk) for talk in talks)
        return {"do_sample_frames": False} if videos and getattr(self.processor, "video_processor", None) is not None else {}

    @property
    def tokenizer(self) -> Any:
        """The processor's, or the processor itself where that is one."""
        return getattr(self.processor, "tokenizer", self.processor)

    def chat(self, parts: Sequence[str], answer: str | None) -> str:
        """A user turn of texts, and the assistant's answer or the opening of its turn, as the model reads it."""
        content = [{"type": "text", "text": part} for part in parts]
        talk = [{"role": "user", "content": content}]
        if answer is not None:
            talk.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        if self.tokenizer is self.processor:
            talk = _plain(talk)
            if self.processor.chat_template is None:  # a base model: the bare text
                return "\n".join(turn["content"] for turn in talk)
        return self.processor.apply_chat_template(talk, tokenize=False, add_generation_prompt=answer is None)

    def _texts(self, talks: list[Talk], opened: bool) -> dict[str, torch.Tensor]:
        plain = [_plain(talk) for talk in talks]
        if self.processor.chat_template is None:  # a base model: the bare text
            texts = ["\n".join(turn["content"] for turn in talk) for talk in plain]
            encoded = self.processor(texts, padding=True, return_tensors="pt")
        else:
            encoded = self.processor.apply_chat_template(
                plain, tokenize=True, return_dict=True, return_tensors="pt", padding=True, add_generation_prompt=opened
            )
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}

    def _messages(self, sample: Sample, answers: bool) -> Talk:
        roles = sample.roles or ("user",) * len(sample.parts)
        said = [(role, part) for role, part in zip(roles, sample.parts, strict=True) if part.modality in self.modalities]
        if "user" not in [role for role, _ in said]:
            raise BatchError(
                f"nothing is left of sample {sample.id!r}: the model takes {', '.join(sorted(self.modalities))} only."
            )
        talk = [
            {"role": role, "content": [self._content(part) for _, part in turn]}
            for role, turn in groupby(said, lambda one: one[0])
        ]
        if answers and sample.answer is not None:
            talk.append({"role": "assistant", "content": [{"type": "text", "text": sample.answer}]})
        return talk

    def _content(self, part: Part) -> dict[str, Any]:
        value = part.value
        if part.modality is Modality.IMAGE:
            value = Image.fromarray(value)
        elif part.modality is Modality.AUDIO:
            # A processor takes bare numbers for sound at its own rate, which is 16 kHz in nearly every model.
            value = resampled(value, SAMPLE_RATE, self._rate)
        return {"type": str(part.modality), str(part.modality): value}

    @property
    def _rate(self) -> int:
        extractor = getattr(self.processor, "feature_extractor", None) or getattr(self.processor, "audio_processor", None)
        return getattr(extractor, "sampling_rate", None) or SAMPLE_RATE


def _plain(talk: Talk) -> Talk:
    return [{**turn, "content": "\n".join(part["text"] for part in turn["content"])} for turn in talk]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
