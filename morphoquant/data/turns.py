"""A few samples that hold every modality: chosen in turn from many, so that a handful is enough to look inside a model."""

from collections.abc import Sequence

from morphoquant.core.modality import CONTENT
from morphoquant.data.sample import Sample


def in_turn(samples: Sequence[Sample], count: int) -> list[Sample]:
    """`count` samples, in their order; fewer where there are fewer.

    The modalities take turns. In its first turn, and in every second one after it, a modality takes the first sample that has
    the fewest media beside it; in the others the one that has the most, since boundaries between modalities are there.

    Args:
        samples: to choose from.
        count: how many.
    """
    left = dict(enumerate(samples))
    chosen: list[int] = []
    turn = 0
    while left and len(chosen) < count:
        modality, many = CONTENT[turn % len(CONTENT)], turn // len(CONTENT) % 2
        own = [place for place, sample in left.items() if modality in sample.modalities] or list(left)
        place = min(own, key=lambda place: (-1 if many else 1) * len(left[place].modalities))
        chosen.append(place)
        del left[place]
        turn += 1
    kept = set(chosen)
    return [sample for place, sample in enumerate(samples) if place in kept]
