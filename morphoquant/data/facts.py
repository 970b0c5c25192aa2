"""Questions about what everyone knows, with wrong answers of the same kind: a test of text alone."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from morphoquant.data.media import MEDIA, media_bytes


@dataclass(frozen=True)
class Fact:
    """A question with one right answer.

    Attributes:
        category: such as "capitals".
        question: in one sentence.
        answer: in a few words.
        wrong: at least three answers to choose wrong ones from; none of them could be called right.
    """

    category: str
    question: str
    answer: str
    wrong: tuple[str, ...]


@cache
def facts(root: Path = MEDIA) -> tuple[Fact, ...]:
    """All of them, written for MorphoQuant for evaluation only: no calibration set asks any of them.

    In the file, "wrong" lists the wrong answers of each question; without it they are the other answers of the category and
    its "others", less those that are "also" right.
    """
    found = []
    for group in json.loads(media_bytes("facts.json", root)):
        answers = dict.fromkeys([*group["facts"].values(), *group.get("others", [])])
        for thing, answer in group["facts"].items():
            unfit = {answer, *group.get("also", {}).get(thing, [])}
            wrong = group["wrong"][thing] if "wrong" in group else [one for one in answers if one not in unfit]
            found.append(Fact(group["category"], group["question"].format(thing), answer, tuple(wrong)))
    return tuple(found)
