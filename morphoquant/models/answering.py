"""How a model's tokenizer and chat template write an answer: the ids that follow a prompt, and the one that ends the turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

_PROBE = "probe"


class Chat(Protocol):
    """What the encoders of `models` share."""

    def chat(self, parts: Sequence[str], answer: str | None) -> str:
        """A user turn of texts, and the assistant's answer or the opening of its turn, as the model reads it."""


@dataclass(frozen=True, eq=False)
class Answering:
    """Ids of texts that a model is to say or to read.

    Attributes:
        tokenizer: of the model.
        encoder: that writes its chat template.
    """

    tokenizer: Any
    encoder: Chat

    def answer(self, text: str) -> list[int]:
        """Ids of a text as the beginning of the assistant's turn, after a prompt that ends with the opening of that turn."""
        opened, bridge, _ = self._turn
        # The ids after the prompt's, as a tokenizer may write the first word of a text otherwise than one that follows.
        before, whole = (self._ids(opened + more) for more in ("", bridge + text))
        return whole[len(before) :] if whole[: len(before)] == before else self._ids(bridge + text)

    @cached_property
    def end_of_turn(self) -> int | None:
        """Id that closes the assistant's turn; that of the end of the text where there is no chat template."""
        ids = self._ids(self._turn[2])
        return ids[0] if ids else self.tokenizer.eos_token_id

    def passage(self, text: str) -> list[int]:
        """Ids of a text that stands alone, with what the tokenizer puts around one."""
        return list(self.tokenizer(text)["input_ids"])

    @cached_property
    def _turn(self) -> tuple[str, str, str]:
        """The prompt, what the template puts between it and an answer (an empty thought, say), and what it puts after."""
        opened, closed = self.encoder.chat([_PROBE], None), self.encoder.chat([_PROBE], _PROBE)
        if not closed.startswith(opened):
            return opened, "", ""
        bridge, found, closing = closed[len(opened) :].partition(_PROBE)
        return (opened, bridge, closing) if found else (opened, "", "")

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
