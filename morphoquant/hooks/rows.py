"""Labels of the rows of one forward: of sequences for the language model, of media for towers and connectors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from morphoquant.core.modality import MODALITIES, PADDING, POSITIONS, Modality, Position, slot
from morphoquant.hooks.towers import Towers
from morphoquant.models.families.base import number_at
from morphoquant.models.labels import ControlTokens, sequence_slots
from morphoquant.models.placeholders import placeholder_ids
from morphoquant.models.shared_placeholder import STANDS_FOR

AUDIO_MASKS = ("feature_attention_mask", "input_features_mask", "audio_attention_mask")
_MEDIA_INPUTS = {
    Modality.IMAGE: ("pixel_values",),
    Modality.VIDEO: ("pixel_values_videos",),
    Modality.AUDIO: ("input_features", "input_values", "input_audio_embeds"),
}
# What labels are made from; it goes to the CPU as a forward begins, where its device has nothing to do yet, not later.
_LABELLED_BY = ("input_ids", "attention_mask", STANDS_FOR, *AUDIO_MASKS)
# Linears of towers that are given the distances between rows, not rows: they are nobody's.
OF_DISTANCES = ("relative_k_proj", "pos_proj", "linear_pos")
_REST = POSITIONS.index(Position.REST)
_SAMPLE_SHIFT = 32
_TOWER_FLAG = 1 << 31


@dataclass(frozen=True, eq=False)
class Rows:
    """Labels of a flattened input, on the CPU whatever the device of its values: an observer need not wait for them.

    Attributes:
        slots: int8 [rows], `PADDING` on padding.
        keys: int64 [rows], not negative; sample << 32 | token for sequences, and for towers the batch's first sample << 32 |
            2^31 | row in the batch.
    """

    slots: Tensor
    keys: Tensor


@dataclass(eq=False)
class Forward:
    """What is known of the forward that runs now.

    Attributes:
        batch: its keyword arguments.
        slots: int8 [batch, seq].
        keys: int64 [batch, seq].
        first_sample: index of its first sequence.
        towers: the tower calls.
        counts: tower rows labelled so far, by (group, modality).
        made: labels made so far, so that linears with equal rows get one object.
        masks: patch masks that `made` goes by, held so that no other tensor takes their identity.
    """

    batch: Mapping[str, Any]
    slots: Tensor
    keys: Tensor
    first_sample: int
    towers: Towers
    counts: dict[tuple[str, Modality], int] = field(default_factory=dict)
    made: dict[Any, Rows] = field(default_factory=dict)
    masks: list[Tensor | None] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        config: Any,
        batch: Mapping[str, Any],
        control: ControlTokens | None,
        towers: Towers,
        first_sample: int,
    ) -> "Forward":
        """Labels the sequences of a forward; with a filled cache its tokens follow earlier ones and none is first.

        Raises:
            BatchError: no input_ids, or shapes that do not fit.
        """
        batch = {
            name: value.cpu() if name in _LABELLED_BY and isinstance(value, Tensor) else value for name, value in batch.items()
        }
        past = _cached(batch.get("past_key_values"))
        slots = sequence_slots(config, batch, control)
        if past:
            generated = slots.shape[1] == 1
            text = slot(Modality.TEXT, Position.REST)
            slots = torch.where(slots < 0, slots, text if generated else slots // len(POSITIONS) * len(POSITIONS) + _REST).to(
                torch.int8
            )
        token = (slots >= 0).long().cumsum(1) - 1 + past
        sample = torch.arange(first_sample, first_sample + len(slots), device=slots.device)[:, None]
        return cls(batch, slots, (sample << _SAMPLE_SHIFT) | token.clamp(min=0), first_sample, towers)

    def label(self, group: str, shape: torch.Size, head: bool) -> Rows:
        """Labels of an input [..., K] of the linear `group`."""
        if self.towers.active:
            return self._tower(group, shape)
        key = ("sequence", shape[:-1], head)
        if key not in self.made:
            self.made[key] = self._sequence(shape, head)
        return self.made[key]

    def _sequence(self, shape: torch.Size, head: bool) -> Rows:
        slots, keys = self.slots, self.keys
        rows = shape[:-1].numel()
        # A head may be given the last tokens alone (logits_to_keep).
        if head and len(shape) == 3 and shape[0] == len(slots) and shape[1] < slots.shape[1]:
            slots, keys = slots[:, -shape[1] :], keys[:, -shape[1] :]
        if rows != slots.numel() or (len(shape) == 3 and shape[:2] != slots.shape):
            unknown = torch.full((rows,), slot(Modality.UNKNOWN, Position.REST), dtype=torch.int8, device=slots.device)
            return Rows(unknown, self._tower_keys(rows, 0, slots.device))
        return Rows(slots.reshape(-1).contiguous(), keys.reshape(-1).contiguous())

    def _tower(self, group: str, shape: torch.Size) -> Rows:
        modality = Modality.UNKNOWN if group.rsplit(".", 1)[-1] in OF_DISTANCES else self._modality()
        rows = shape[:-1].numel()
        start = self.counts.get((group, modality), 0)
        self.counts[group, modality] = start + rows
        mask = self.towers.patch_mask
        key = ("tower", shape[:-1], modality, start, id(mask))
        if key not in self.made:
            each = self._each(modality, (shape[:-1] or (1,))[0]) * len(POSITIONS)
            slots = (each + _REST).view(-1, *[1] * (len(shape) - 2)).repeat(1, *shape[1:-1])
            if len(shape) == 3:
                slots[:, 0] = each + POSITIONS.index(Position.FIRST)
                slots = self._without_padding(slots, modality, mask)
            self.made[key] = Rows(slots.reshape(-1), self._tower_keys(rows, start, slots.device))
            self.masks.append(mask)
        return self.made[key]

    def _tower_keys(self, rows: int, start: int, device: torch.device) -> Tensor:
        base = (self.first_sample << _SAMPLE_SHIFT) | _TOWER_FLAG
        return base + start + torch.arange(rows, device=device)

    def _modality(self) -> Modality:
        """What the running tower's rows are; unknown unless one answer is left."""
        candidates = self.towers.candidates
        if len(candidates) > 1:
            given = [m for m in candidates if any(self.batch.get(name) is not None for name in _MEDIA_INPUTS[m])]
            candidates = tuple(given)
        if len(candidates) != 1:
            return Modality.UNKNOWN
        return candidates[0]

    @cached_property
    def _behind_image(self) -> Tensor | None:
        """Places in MODALITIES of what the image placeholders stand for, in order; absent where nothing says it."""
        if self.batch.get(STANDS_FOR) is None:
            return None
        ids = self.batch["input_ids"]
        images = [index for index, modality in placeholder_ids(self.towers.config).items() if modality is Modality.IMAGE]
        found = self.slots[torch.isin(ids, ids.new_tensor(images)) & (self.slots >= 0)] // len(POSITIONS)
        return found if len(found) else None

    def _each(self, modality: Modality, count: int) -> Tensor:
        """Place in MODALITIES of each of `count` rows or media of a tower [count].

        Where image placeholders stand for different things their rows are shared out evenly and in order, as in InternVL: each
        tile of an image and each frame gives as many. Where that does not come out even all are unknown.
        """
        known = self._behind_image if modality is Modality.IMAGE else None
        if known is None or bool((known == known[0]).all()):
            return torch.full((count,), MODALITIES.index(modality) if known is None else int(known[0]), dtype=torch.int8)
        if count % len(known) == 0:
            return known.repeat_interleave(count // len(known))
        if len(known) % count == 0:
            shares = known.view(count, -1)
            if bool((shares == shares[:, :1]).all()):
                return shares[:, 0]
        return torch.full((count,), MODALITIES.index(Modality.UNKNOWN), dtype=torch.int8)

    def _without_padding(self, slots: Tensor, modality: Modality, patch_mask: Tensor | None) -> Tensor:
        """Marks padded rows of [media, rows]; where a mask cannot be brought to the rows, all are unknown."""
        if patch_mask is not None and patch_mask.shape == slots.shape:
            return slots.masked_fill(~patch_mask.to(slots.device), PADDING)
        if modality is not Modality.AUDIO:
            return slots
        mask = next((self.batch[name] for name in AUDIO_MASKS if isinstance(self.batch.get(name), Tensor)), None)
        if mask is None:
            return slots
        mask = mask.reshape(-1, mask.shape[-1]).bool()
        lengths = self._chunks(mask, slots)
        if lengths is None and bool(mask.all()):
            return slots
        lengths = _lengths(mask, slots.shape[1], self.towers.model) if lengths is None else lengths
        if lengths is None or len(lengths) != len(slots):
            return torch.full_like(slots, slot(Modality.UNKNOWN, Position.REST))
        real = torch.arange(slots.shape[1], device=slots.device) < lengths.to(slots.device)[:, None]
        return slots.masked_fill(~real, PADDING)

    def _chunks(self, mask: Tensor, slots: Tensor) -> Tensor | None:
        """Real rows of each chunk, in families that cut clips into chunks before they convolve them; absent for whole clips."""
        half = number_at(self.towers.config, self.towers.family.audio_chunk)
        if half is None:
            return None
        lengths = [part for clip in mask.sum(-1).tolist() for part in _cut(clip, 2 * half)]
        if len(lengths) != len(slots):
            return None
        return _halved(max(lengths), torch.tensor(lengths, device=mask.device), slots.shape[1])


def _cached(past: Any) -> int:
    """Tokens that a cache holds already."""
    if past is None:
        return 0
    if hasattr(past, "get_seq_length"):
        return int(past.get_seq_length())
    return int(past[0][0].shape[-2])


def _lengths(mask: Tensor, rows: int, model: nn.Module) -> Tensor | None:
    """Real rows of each clip where the tower has `rows`: by the model's own rule of its strides, else by halving.

    Args:
        mask: [clips, frames], 1 where there is sound.
        rows: of each clip in the tower, padding included.
        model: searched for `_get_feat_extract_output_lengths`.
    """
    lengths, frames = mask.sum(-1), torch.tensor([mask.shape[-1]], device=mask.device)
    for module in model.modules():
        rule = getattr(module, "_get_feat_extract_output_lengths", None)
        if rule is None:
            continue
        for whole, real in zip(_stages(rule(frames)), _stages(rule(lengths)), strict=True):
            if int(whole) == rows:
                return real
    return _halved(int(frames), lengths, rows)


def _halved(whole: int, lengths: Tensor, rows: int) -> Tensor | None:
    """`lengths` halved as often as it takes to bring `whole` to `rows`; absent if that is never met."""
    while whole >= rows:
        if whole == rows:
            return lengths
        if whole == 1:
            break
        whole, lengths = (whole - 1) // 2 + 1, (lengths - 1) // 2 + 1
    return None


def _cut(frames: int, chunk: int) -> list[int]:
    """Lengths of the chunks of a clip."""
    return [chunk] * (frames // chunk) + [frames % chunk] * (frames % chunk > 0)


def _stages(found: Any) -> tuple[Tensor, ...]:
    return tuple(found) if isinstance(found, tuple | list) else (found,)
