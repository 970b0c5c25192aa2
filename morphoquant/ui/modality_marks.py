"""A modality's name beside a mark in its colour, for labels that take Markdown.

The colour names stand for the modalities' colours in .streamlit/config.toml.
"""

from morphoquant.core.evaluation import CROSS_MODAL
from morphoquant.core.modality import Modality

_COLOURS = {Modality.TEXT: "blue", Modality.IMAGE: "orange", Modality.AUDIO: "green", Modality.VIDEO: "violet"}


def marked(modality: str, value: str = "") -> str:
    """ "text" -> ":blue[■] text", with its value if given, never broken over two lines; special and unknown tokens are grey."""
    return "\u00a0".join(part for part in (mark(modality), modality, value) if part)


def mark(modality: str) -> str:
    """The square in the modality's colour alone, for a sentence that names the modality itself."""
    return f":{_COLOURS.get(Modality(modality), 'gray')}[■]"


def marked_subject(subject: str) -> str:
    """The subject of a question as `marked` shows a modality; a question across modalities has no mark."""
    return subject if subject == CROSS_MODAL else marked(subject)
