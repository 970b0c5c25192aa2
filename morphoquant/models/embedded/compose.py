"""Turns of encoded media to what the language model reads, and its answers: the inner loop of training and of evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from morphoquant.core.modality import Modality
from morphoquant.models.embedded.features import Features
from morphoquant.models.embedded.modeling import OmniDemoForConditionalGeneration
from morphoquant.models.embedded.processor import OmniDemoProcessor
from morphoquant.models.embedded.tasks import Turn
from morphoquant.models.embedded.tokenizer import AUDIO, IMAGE, VIDEO

_PLACEHOLDER = {Modality.IMAGE: IMAGE, Modality.AUDIO: AUDIO, Modality.VIDEO: VIDEO}
IGNORED = -100


@dataclass(frozen=True, eq=False)
class Composer:
    """Runs turns through connectors and language model.

    Attributes:
        model: frozen but for its connectors.
        processor: of the model.
        features: encoded items by pool.
        noise: standard deviation of what is added to features, as a share of their own; 0 for none.
        seen: token ids and labels of texts met before.
        kept: keys and values of the tokens that all turns begin with, by layer.
    """

    model: OmniDemoForConditionalGeneration
    processor: OmniDemoProcessor
    features: dict[str, Features]
    noise: float = 0.0
    seen: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    kept: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)

    def __call__(self, turns: Sequence[Turn], generator: torch.Generator | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits at answer positions [answer tokens, vocabulary] and the tokens that belong there, row by row of `turns`."""
        ids, labels, media = self._texts(turns)
        device = self.model.device
        ids, labels = ids.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        inner = self.model.model
        opening = self._opening()
        ids, labels = ids[:, len(opening) :], labels[:, len(opening) :]
        embeds = inner.get_input_embeddings()(ids)
        for modality, token in _PLACEHOLDER.items():
            if media[modality]:
                found = self.project(modality, media[modality], generator).to(embeds)
                mask = ids == self.processor.tokenizer.convert_tokens_to_ids(token)
                embeds = embeds.masked_scatter(mask.unsqueeze(-1), found)
        # Padding stands on the right, where a causal model's earlier positions cannot see it: no mask is needed.
        hidden = inner.language_model(inputs_embeds=embeds, past_key_values=self._read(opening, len(ids))).last_hidden_state
        # A position predicts the next token.
        wanted = pad(labels[:, 1:], (0, 1), value=IGNORED)
        places = wanted != IGNORED
        return self.model.lm_head(hidden[places]).float(), wanted[places]

    @torch.no_grad()
    def embed(self, word: str, place: int = 0) -> torch.Tensor:
        """The language model's embedding of a word [channels], as it stands first in an answer or after others."""
        ids = self.processor.tokenizer(word if place == 0 else f" {word}")["input_ids"]
        return self.model.get_input_embeddings()(torch.tensor(ids, device=self.model.device)).float().mean(0)

    def prepare(self) -> None:
        """Reads the opening, so that threads that use this composer find it read."""
        self._read(self._opening(), 1)

    def alike(self, turns: Sequence[Turn], groups: int) -> list[list[Turn]]:
        """The turns in so many groups of like length, so that little of a forward is padding."""
        ordered = sorted(turns, key=lambda turn: len(self._ids(turn)[0]))
        size = -(-len(ordered) // groups)
        return [ordered[at : at + size] for at in range(0, len(ordered), size)]

    def answer_tokens(self, turn: Turn) -> int:
        """Tokens of the answer, the end of the turn included."""
        return sum(label != IGNORED for label in self._ids(turn)[1])

    def right(self, turns: Sequence[Turn]) -> torch.Tensor:
        """Which answers are given word for word, bool [turns]; the same as what greedy generation would give."""
        logits, wanted = self(turns)
        hits = logits.argmax(-1) == wanted
        counts = [self.answer_tokens(turn) for turn in turns]
        return torch.stack([part.all() for part in hits.split(counts)]).cpu()

    def _opening(self) -> list[int]:
        """Tokens that all turns begin with: the system's turn and the opening of the user's."""
        if "" not in self.seen:
            first, second = (self.processor.tokenizer(self.processor.chat([word], None))["input_ids"] for word in ("a", "b"))
            same = [one == other for one, other in zip(first, second, strict=True)]
            self.seen[""] = (first[: same.index(False)], [])
        return self.seen[""][0]

    def _read(self, opening: list[int], turns: int) -> DynamicCache:
        """Keys and values of the opening for so many turns; read once, because nothing in it is trained."""
        if not self.kept:
            ids = torch.tensor([opening], device=self.model.device)
            with torch.no_grad():
                read = self.model.model.language_model(input_ids=ids, use_cache=True).past_key_values
            self.kept.extend((layer.keys, layer.values) for layer in read.layers)
        cache = DynamicCache()
        for index, (keys, values) in enumerate(self.kept):
            cache.update(keys.expand(turns, -1, -1, -1), values.expand(turns, -1, -1, -1), index)
        return cache

    def _texts(self, turns) -> tuple[torch.Tensor, torch.Tensor, dict[Modality, list[torch.Tensor]]]:
        media: dict[Modality, list[torch.Tensor]] = {modality: [] for modality in _PLACEHOLDER}
        rows = []
        for turn in turns:
            rows.append(self._ids(turn))
            for part in turn[0]:
                if not isinstance(part, str):
                    media[self.features[part[0]].modality].append(self.features[part[0]].item(part[1]))
        padding = self.processor.tokenizer.pad_token_id
        ids = pad_sequence([torch.tensor(ids) for ids, _ in rows], batch_first=True, padding_value=padding)
        labels = pad_sequence([torch.tensor(labels) for _, labels in rows], batch_first=True, padding_value=IGNORED)
        return ids, labels, media

    def _ids(self, turn: Turn) -> tuple[list[int], list[int]]:
        """Token ids, and labels on the answer and the end of the turn."""
        parts, answer = turn
        counts = {token: [] for token in _PLACEHOLDER.values()}
        kinds = []
        for part in parts:
            if isinstance(part, str):
                kinds.append(part)
            else:
                item = self.features[part[0]]
                rows = item.starts[part[1] + 1] - item.starts[part[1]]
                kinds.append(item.modality)
                counts[_PLACEHOLDER[item.modality]].append(rows * item.rows.shape[1])
        key = f"{kinds}{counts}{answer}"
        if key not in self.seen:
            encode = self.processor.tokenizer
            opening = encode(self.processor.expand(self.processor.chat(kinds, None), {k: list(v) for k, v in counts.items()}))
            closing = encode(answer)["input_ids"] + [encode.eos_token_id]
            ids = opening["input_ids"] + closing
            self.seen[key] = (ids, [IGNORED] * (len(ids) - len(closing)) + closing)
        return self.seen[key]

    def project(self, modality: Modality, items: list[torch.Tensor], generator: torch.Generator | None = None) -> torch.Tensor:
        """Encoded items of one modality, each [rows, tokens, width], to all their tokens [all tokens, channels] in order."""
        inner = self.model.model
        joined = torch.cat([item.float() for item in items])
        if self.noise:
            joined = joined + self.noise * joined.std() * torch.randn(joined.shape, device=joined.device, generator=generator)
        if modality is Modality.IMAGE:
            return inner.image_projector(joined).flatten(0, 1)
        if modality is Modality.VIDEO:
            return inner.project_frames(joined, [len(item) for item in items]).flatten(0, 1)
        return inner.audio_projector(joined).flatten(0, 1)
