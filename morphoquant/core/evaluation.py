"""The subject of a question: which media an answer depends on, as rows of accuracy tables and charts are named."""

from collections.abc import Iterable

from morphoquant.core.modality import CONTENT, Modality

CROSS_MODAL = "cross-modal"
SUBJECTS: tuple[str, ...] = (*(str(modality) for modality in CONTENT), CROSS_MODAL)


def subject_of(modalities: Iterable[Modality]) -> str:
    """ "text" where there are no media, the one medium's name, or "cross-modal" for media of two or more modalities.

    Text beside media does not count: every question is asked in words.
    """
    media = {Modality(modality) for modality in modalities} - {Modality.TEXT}
    unfit = media - set(CONTENT)
    if unfit:
        raise ValueError(f"{', '.join(sorted(unfit))} cannot be the subject of a question")
    if not media:
        return str(Modality.TEXT)
    return str(media.pop()) if len(media) == 1 else CROSS_MODAL
