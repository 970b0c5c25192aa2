"""Samples to a batch: chat template, placeholders repeated as often as there are features, media tensors, padding."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast
from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Sample
from morphoquant.models.embedded.configuration import OmniDemoConfig
from morphoquant.models.embedded.media import audio_tokens, mel_features, pictures
from morphoquant.models.embedded.pixels import chosen_frames
from morphoquant.models.embedded.tokenizer import AUDIO, IMAGE, VIDEO

_PLACEHOLDER = {Modality.IMAGE: IMAGE, Modality.AUDIO: AUDIO, Modality.VIDEO: VIDEO}


class OmniDemoProcessor:
    """Makes the embedded model's batches.

    Args:
        tokenizer: with the chat template and the placeholders.
        config: of the model.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, config: OmniDemoConfig):
        self.tokenizer = tokenizer
        self.config = config
        self.extractor = WhisperFeatureExtractor(feature_size=config.audio_config.num_mel_bins)

    @classmethod
    def from_folder(cls, folder: Path) -> "OmniDemoProcessor":
        """Reads the tokenizer and the configuration of a converted folder."""
        return cls(PreTrainedTokenizerFast.from_pretrained(folder), OmniDemoConfig.from_pretrained(folder))

    def __call__(
        self, samples: Sequence[Sample], *, answers: bool = True, padding_side: str = "right"
    ) -> dict[str, torch.Tensor]:
        """A batch for the model's forward.

        Args:
            samples: one sequence each.
            answers: close each sample that has an answer with it; False ends with the opening of the assistant's turn.
            padding_side: "right", or "left" to generate.

        Returns:
            input_ids and attention_mask [samples, tokens]; where such media are there, pixel_values [images, 3, side, side],
            pixel_values_videos [frames, 3, side, side] with video_frame_counts [videos], and input_features [clips, mels, 3000]
            with feature_attention_mask [clips, 3000].

        Raises:
            BatchError: there is no sample, or a part cannot be used.
        """
        if not samples:
            raise BatchError("there is no sample to encode: give at least one.")
        media = {modality: [p.value for s in samples for p in s.parts if p.modality is modality] for modality in _PLACEHOLDER}
        batch, counts = self._media(media)
        rows = [self.expand(self.text(sample, answers=answers), counts) for sample in samples]
        encoded = self.tokenizer(rows, add_special_tokens=False, padding=True, padding_side=padding_side, return_tensors="pt")
        return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"], **batch}

    def text(self, sample: Sample, *, answers: bool) -> str:
        """The sample in the chat template, one placeholder for each medium."""
        for part in sample.parts:
            if part.modality is Modality.TEXT and any(word in part.value for word in _PLACEHOLDER.values()):
                raise BatchError(f"the text of sample {sample.id!r} holds a media placeholder such as {IMAGE}: take it out.")
        return self.chat(
            [part.value if part.modality is Modality.TEXT else part.modality for part in sample.parts],
            sample.answer if answers else None,
        )

    def chat(self, parts: Sequence[str | Modality], answer: str | None) -> str:
        """A user turn of texts and media, and the assistant's answer, or the opening of its turn where there is none."""
        content = [{"type": str(p)} if isinstance(p, Modality) else {"type": "text", "text": p} for p in parts]
        messages = [{"role": "user", "content": content}]
        if answer is not None:
            messages.append({"role": "assistant", "content": answer})
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer is None)

    def _media(self, media: dict[Modality, list]) -> tuple[dict[str, torch.Tensor], dict[str, list[int]]]:
        config, batch, counts = self.config, {}, {}
        if media[Modality.IMAGE]:
            batch["pixel_values"] = pictures(media[Modality.IMAGE], config.image_size)
            counts[IMAGE] = [config.image_grid**2] * len(media[Modality.IMAGE])
        if media[Modality.VIDEO]:
            videos = [chosen_frames(video, config.max_frames) for video in media[Modality.VIDEO]]
            batch["pixel_values_videos"] = pictures([frame for video in videos for frame in video], config.frame_size)
            batch["video_frame_counts"] = torch.tensor([len(video) for video in videos])
            counts[VIDEO] = [len(video) * config.frame_grid**2 for video in videos]
        if media[Modality.AUDIO]:
            features, mask = mel_features(media[Modality.AUDIO], self.extractor)
            batch["input_features"], batch["feature_attention_mask"] = features, mask
            counts[AUDIO] = audio_tokens(mask, config.audio_stack)
        return batch, counts

    def expand(self, text: str, counts: dict[str, list[int]]) -> str:
        """Repeats each placeholder; takes its count from the front of the lists, which are in the order of the batch."""
        pattern = "|".join(map(re.escape, _PLACEHOLDER.values()))
        return re.sub(pattern, lambda found: found[0] * counts[found[0]].pop(0), text)
