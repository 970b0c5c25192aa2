"""What each image placeholder of a batch stands for, in families whose video frames stand behind it too: the batch says it.

It says so in a tensor of its own, beside the processor's, which goes wherever the batch goes: to a device, into a run, and before
the choices of a question. No model asks for it; `pass_over` makes one take it.
"""

import functools
import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import MODALITIES, Modality
from morphoquant.models.families.base import family_of
from morphoquant.models.placeholders import placeholder_ids, reading_config

# int8 [batch, seq] in a batch: place in MODALITIES of what each image placeholder stands for; other tokens are passed over.
STANDS_FOR = "placeholder_modalities"
# Where processors of transformers tell, for each sequence, what they put in place of each medium.
LAID_OUT = "text_replacement_offsets"
VISUAL = (Modality.IMAGE, Modality.VIDEO)

# One sequence as a processor's chat template takes it.
Talk = list[dict[str, Any]]


@dataclass(frozen=True)
class SharedPlaceholder:
    """An image placeholder that video frames stand behind too.

    Attributes:
        id: the placeholder.
        apart: why images and videos cannot be in one batch; empty where they can.
    """

    id: int
    apart: str = ""

    @classmethod
    def of(cls, config: Any) -> "SharedPlaceholder | None":
        """That of a model; absent where videos have one of their own, or the config names none."""
        family = family_of(reading_config(config))
        image = next((index for index, modality in placeholder_ids(config).items() if modality is Modality.IMAGE), None)
        return cls(image, family.apart) if family.shared_placeholder and image is not None else None

    def refusal(self, held: Collection[str], name: str) -> str | None:
        """Why images and videos cannot be in one batch, in one sentence; absent where they can, or there are not both.

        Args:
            held: modalities of the batch.
            name: of the sample.
        """
        if not self.apart or not set(VISUAL) <= set(held):
            return None
        return (
            f"sample {name!r} holds images and videos, and this model takes one of them at a time ({self.apart}): "
            "give each a sample of its own."
        )

    def options(self, talks: Sequence[Talk], name: str) -> dict[str, bool]:
        """What a processor is asked for besides.

        Args:
            talks: the sequences of a batch.
            name: of the first, for the error.

        Raises:
            BatchError: they hold images and videos, and cannot.
        """
        held = {kind for talk in talks for kind in visual_kinds(talk)}
        if sentence := self.refusal(held, name):
            raise BatchError(sentence)
        return {f"return_{LAID_OUT}": True} if len(held) > 1 else {}

    def labels(self, batch: Mapping[str, Any], talks: Sequence[Talk], names: Sequence[str], tokenizer: Any) -> Tensor:
        """`STANDS_FOR` of a batch.

        Args:
            batch: the processor's output, with `options`.
            talks: what it was made of.
            names: of each sequence, for the error.
            tokenizer: the processor's.

        Raises:
            BatchError: the processor does not tell which placeholders of a sequence stand for images and which for videos.
        """
        found = torch.zeros(batch["input_ids"].shape, dtype=torch.int8)
        mark, told = tokenizer.convert_ids_to_tokens(self.id), batch.get(LAID_OUT) or [()] * len(talks)
        for row, here, talk, media, name in zip(found, batch["input_ids"] == self.id, talks, told, names, strict=True):
            kinds = set(visual_kinds(talk))
            if len(kinds) > 1:
                placed = [_place(one["type"]) for one in media for _ in range(one["replacement"].count(mark))]
                if len(placed) != int(here.sum()):
                    raise BatchError(
                        f"sample {name!r} holds images and videos, and the model's processor does not tell which placeholders "
                        "stand for which: give each a sample of its own."
                    )
                row[here] = torch.tensor(placed, dtype=torch.int8)
            elif kinds:
                row[here] = _place(kinds.pop())
        return found


def said(visual: Modality | Sequence[Modality], ids: Tensor) -> Tensor:
    """`STANDS_FOR` of ids [batch, seq] whose image placeholders all stand for one modality, or those of each sequence for one.

    Raises:
        BatchError: there is not one modality for each sequence.
    """
    each = [visual] * len(ids) if isinstance(visual, str) else list(visual)
    if len(each) != len(ids):
        raise BatchError(f"visual names {len(each)} modalities for {len(ids)} sequences: give one for each, or a single one.")
    return torch.tensor([_place(one) for one in each], dtype=torch.int8)[:, None].repeat(1, ids.shape[1])


def pass_over(model: nn.Module) -> None:
    """Makes a model take `STANDS_FOR` and do nothing with it, in generation too; what watches its forward sees it."""
    original = model.forward
    taken = inspect.signature(original)

    @functools.wraps(original)
    def forward(*args, **kwargs):
        kwargs.pop(STANDS_FOR, None)
        return original(*args, **kwargs)

    # Generation refuses what is not named.
    named = [one for one in taken.parameters.values() if one.kind is not one.VAR_KEYWORD]
    others = [one for one in taken.parameters.values() if one.kind is one.VAR_KEYWORD]
    own = inspect.Parameter(STANDS_FOR, inspect.Parameter.KEYWORD_ONLY, default=None)
    forward.__signature__ = taken.replace(parameters=[*named, own, *others])
    model.forward = forward


def visual_kinds(talk: Talk) -> list[str]:
    """Modality of each picture and video, in order."""
    return [part["type"] for turn in talk for part in turn["content"] if part["type"] in VISUAL]


def _place(modality: str) -> int:
    return MODALITIES.index(Modality(modality))
