"""A modality's name beside a mark in its colour, for labels that take Markdown.

The colour names stand for the modalities' colours in .streamlit/config.toml.
"""

from morphoquant.core.modality import Modality

_COLOURS = {Modality.TEXT: "blue", Modality.IMAGE: "orange", Modality.AUDIO: "green", Modality.VIDEO: "violet"}


def marked(modality: str) -> str:
    """ "text" -> ":blue[■] text"; special and unknown tokens are grey."""
    return f":{_COLOURS.get(Modality(modality), 'gray')}[■] {modality}"
