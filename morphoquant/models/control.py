"""Which ids are special tokens or belong to the chat template, read from a tokenizer."""

from dataclasses import dataclass
from typing import Any

# (opens, closes): what chat templates put around a role's name; each is checked against the tokenizer's own template.
_ROLE_MARKS = (("<|im_start|>", "\n"), ("<start_of_turn>", "\n"), ("<|start_header_id|>", "<|end_header_id|>"))
_TURN_ENDS = (("<|im_end|>", "\n"), ("<end_of_turn>", "\n"))
_PROBE = "probe"


@dataclass(frozen=True)
class ControlTokens:
    """Ids that are not content.

    Attributes:
        ids: special tokens.
        spans: (start id, end id) pairs; the tokens from a start through the next end id are template, such as
            `<|im_start|>user\\n`. See `sequence_slots` for how far a span may reach.
    """

    ids: frozenset[int] = frozenset()
    spans: tuple[tuple[int, int], ...] = ()


def control_tokens(tokenizer: Any) -> ControlTokens:
    """Special ids and template spans of a transformers tokenizer (or of a processor that holds one)."""
    tokenizer = getattr(tokenizer, "tokenizer", None) or tokenizer
    ids = set(tokenizer.all_special_ids)
    ids |= {index for index, token in getattr(tokenizer, "added_tokens_decoder", {}).items() if token.special}
    rendered = _rendered(tokenizer)
    spans = []
    for opens, closes in _ROLE_MARKS:
        if rendered is None or f"{opens}user{closes}" in rendered:
            spans.append((_single(tokenizer, opens), _single(tokenizer, closes)))
    for opens, closes in _TURN_ENDS:
        if rendered is None or f"{_PROBE}{opens}{closes}" in rendered:
            spans.append((_single(tokenizer, opens), _single(tokenizer, closes)))
    whole = tuple((start, end) for start, end in spans if start is not None and end is not None)
    return ControlTokens(frozenset(ids), whole)


def _rendered(tokenizer: Any) -> str | None:
    """One user turn in the tokenizer's chat template; absent if it has none."""
    if not getattr(tokenizer, "chat_template", None):
        return None
    return tokenizer.apply_chat_template([{"role": "user", "content": _PROBE}], tokenize=False)


def _single(tokenizer: Any, text: str) -> int | None:
    """Id of a text that is exactly one token, absent otherwise."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        return None
    return ids[0]
