"""Bytes that statistics, caches and recorded states will take, from a model's shapes; bounds from above, and close ones."""

from collections.abc import Collection, Mapping
from typing import Any

from morphoquant.core.layers import Component, role_of
from morphoquant.core.modality import Modality
from morphoquant.hooks.collector import GATHERED
from morphoquant.models.placeholders import reading_config
from morphoquant.stats.bins import FINE_COUNT
from morphoquant.stats.channel_stats import place_bytes
from morphoquant.stats.fine import WIDE

_SHARED = (("q_proj", "k_proj", "v_proj"), ("q", "k", "v"), ("query", "key", "value"), ("gate_proj", "up_proj"), ("w1", "w3"))
_SEEN = {Component.VISION: {Modality.IMAGE, Modality.VIDEO}, Component.AUDIO: {Modality.AUDIO}}
_NAMED = {
    "audio": {Modality.AUDIO},
    "speech": {Modality.AUDIO},
    "video": {Modality.VIDEO},
    "image": {Modality.IMAGE},
    "vis": {Modality.IMAGE, Modality.VIDEO},
}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
# Maps of attention beside the kept ones: scores, weights, those of both passes without padding, and what compares them.
_MAPS = 8
_SHAPE = ("num_hidden_layers", "num_attention_heads", "hidden_size")


def statistics_bytes(
    widths: Mapping[str, tuple[int, int]], parts: Mapping[str, Component], modalities: Collection[Modality], keep_rows: int
) -> int:
    """Bytes that the statistics of all layer inputs hold at most, without rows that wait to be counted.

    Args:
        widths: (input, output) channels of each linear, in the order of the model.
        parts: the component of each.
        modalities: that the data hold.
        keep_rows: rows kept of each input and slot.
    """
    return place_bytes(keep_rows) * channels_of(widths, parts, modalities)


def channels_of(widths: Mapping[str, tuple[int, int]], parts: Mapping[str, Component], modalities: Collection[Modality]) -> int:
    """Channels of all inputs, each once for every slot."""
    return sum(widths[name][0] * slots_of(name, parts[name], modalities) for name in inputs_of(widths))


def waiting_bytes(widths: Mapping[str, tuple[int, int]], runs: Collection[str]) -> int:
    """Bytes of the rows that wait to be counted, for linears that run."""
    return sum(4 * GATHERED * widths[name][0] for name in inputs_of(widths) if name in runs)


def fine_bytes(widths: Mapping[str, tuple[int, int]], parts: Mapping[str, Component], modalities: Collection[Modality]) -> int:
    """Bytes of the histograms of the widest channels."""
    return 4 * WIDE * FINE_COUNT * sum(slots_of(name, parts[name], modalities) for name in inputs_of(widths))


def cache_bytes(config: Any, tokens: int, rows: int) -> int:
    """Bytes of the keys and values of `rows` sequences of `tokens` in float32, by a model's config; 0 where it does not say."""
    text = _text(config)
    layers, heads, width = _shape(text)
    of_values = getattr(text, "num_key_value_heads", None) or heads
    channels = getattr(text, "head_dim", None) or (width // heads if heads else 0)
    return 2 * 4 * layers * of_values * channels * tokens * rows


def inside_bytes(config: Any, tokens: int, shown: int) -> int:
    """Bytes of what is recorded of the language model while one sequence is looked at, 0 where the config does not say.

    Args:
        config: of the model.
        tokens: of the sequence.
        shown: blocks whose attention is kept.
    """
    layers, heads, width = _shape(_text(config))
    states = 2 * layers * tokens * width  # before and behind every block
    return 4 * (states + (min(shown, layers) + _MAPS) * heads * tokens**2)


def slots_of(name: str, part: Component, modalities: Collection[Modality]) -> int:
    """Slots that can occur in a linear: of sequences each modality, special tokens and the first token; of media each modality
    and its first row; none of a tower or connector whose media are absent, as far as its name says which they are."""
    media = set(modalities) - {Modality.TEXT}
    if part in (Component.LANGUAGE, Component.HEAD):
        return len(media) + 3
    said = next((seen for word, seen in _NAMED.items() if word in name.lower()), media)
    return 2 * len(media & _SEEN.get(part, said))


def inputs_of(widths: Mapping[str, tuple[int, int]]) -> dict[str, list[str]]:
    """The linears of each input, by the first of them."""
    found: dict[tuple, list[str]] = {}
    for name, (channels, _) in widths.items():
        role = role_of(name)
        shared = next((names for names in _SHARED if role in names), (name,))
        found.setdefault((name.removesuffix(role), shared, channels), []).append(name)
    return {names[0]: names for names in found.values()}


def in_units(size: int) -> str:
    """Bytes in the largest unit of which there is one, such as "1.5 GiB"."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size} bytes" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def _text(config: Any) -> Any:
    """The config of the language model."""
    config = reading_config(config)
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _shape(text: Any) -> tuple[int, int, int]:
    """Blocks, attention heads and channels of a language model; 0 for what its config does not say."""
    layers, heads, width = (getattr(text, name, None) or 0 for name in _SHAPE)
    return layers, heads, width
