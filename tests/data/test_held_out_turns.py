import numpy as np

from morphoquant.core.modality import CONTENT, Modality
from morphoquant.data.datasets import DATASETS
from morphoquant.data.sample import Part, Sample
from morphoquant.data.turns import in_turn


def made(*held: str) -> list[Sample]:
    """Samples of text with the media that their names say: silence and black pictures."""
    media = {
        "image": Part(Modality.IMAGE, np.zeros((2, 2, 3), np.uint8)),
        "audio": Part(Modality.AUDIO, np.zeros(8, np.float32)),
        "video": Part(Modality.VIDEO, np.zeros((1, 2, 2, 3), np.uint8)),
    }
    text = Part(Modality.TEXT, "Say it.")
    return [Sample(name, "made", (text, *(media[one] for one in name.split("+") if one in media))) for name in held]


def test_every_modality_has_its_turn_alone_first_and_then_in_company():
    samples = made(
        "image+audio+video", "text", "image", "audio+image", "audio", "video", "video+audio", "text again", "image again"
    )
    assert [one.id for one in in_turn(samples, 4)] == ["text", "image", "audio", "video"]
    later = {one.id for one in in_turn(samples, 8)} - {"text", "image", "audio", "video"}
    assert len(later) == 4 and {"image+audio+video", "audio+image", "video+audio"} < later


def test_what_is_not_there_is_made_up_for_and_order_stays():
    samples = made("text", "text 2", "image")
    assert [one.id for one in in_turn(samples, 8)] == ["text", "text 2", "image"]
    assert len(in_turn(samples, 2)) == 2


def test_eight_of_the_demo_hold_two_of_each_modality():
    chosen = in_turn(DATASETS["demo-evaluation"](32, 0), 8)
    assert all(sum(modality in one.modalities for one in chosen) >= 2 for modality in CONTENT)
