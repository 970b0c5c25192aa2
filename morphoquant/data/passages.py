"""Held-out passages to measure perplexity on."""

from morphoquant.data.media import passages


def perplexity_texts() -> list[tuple[str, str]]:
    """Identifier and text of every passage of the evaluation split, in the order of their file; calibration has none of them."""
    return [(one.title, one.text) for one in passages() if one.split == "evaluation" and one.text]
