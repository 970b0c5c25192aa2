"""The photographs that are kept: what each shows, who made it, under which licence, and the split it belongs to.

Only pictures whose wheel states a free licence are here; scikit-image says it in the docstring of the loader.
"""

from dataclasses import dataclass

_SKIMAGE, _SKLEARN = "scikit-image", "scikit-learn"
_CC0 = "CC0 1.0"
_BY = "CC BY 2.0"
_PUBLIC = "public domain"


@dataclass(frozen=True)
class Photograph:
    """One picture: name of the JPEG, wheel and path it is read from, split, what it shows, author and licence."""

    name: str
    wheel: str
    path: str
    split: str
    shows: str
    author: str
    licence: str


PHOTOGRAPHS = (
    Photograph("chelsea", _SKIMAGE, "skimage/data/chelsea.png", "calibration", "cat", "Stefan van der Walt", _CC0),
    Photograph("coffee", _SKIMAGE, "skimage/data/coffee.png", "calibration", "cup of coffee", "Rachel Michetti", _CC0),
    Photograph("china", _SKLEARN, "sklearn/datasets/images/china.jpg", "calibration", "temple", "danielbuechele (Flickr)", _BY),
    Photograph("camera", _SKIMAGE, "skimage/data/camera.png", "calibration", "man with a camera", "Lav Varshney", _CC0),
    Photograph("hubble", _SKIMAGE, "skimage/data/hubble_deep_field.jpg", "calibration", "galaxies", "NASA", _PUBLIC),
    Photograph("brick", _SKIMAGE, "skimage/data/brick.png", "calibration", "brick wall", "CC0Textures", _CC0),
    Photograph("grass", _SKIMAGE, "skimage/data/grass.png", "calibration", "grass", "linolafett (DeviantArt)", _CC0),
    Photograph("astronaut", _SKIMAGE, "skimage/data/astronaut.png", "evaluation", "astronaut", "NASA", _PUBLIC),
    Photograph("rocket", _SKIMAGE, "skimage/data/rocket.jpg", "evaluation", "rocket", "SpaceX", _PUBLIC),
    Photograph("flower", _SKLEARN, "sklearn/datasets/images/flower.jpg", "evaluation", "flower", "vultilion (Flickr)", _BY),
    Photograph("retina", _SKIMAGE, "skimage/data/retina.jpg", "evaluation", "retina of an eye", "Mikael Häggström", _CC0),
    Photograph(
        "coins", _SKIMAGE, "skimage/data/coins.png", "evaluation", "coins", "Brooklyn Museum", "no known copyright restrictions"
    ),
    Photograph("gravel", _SKIMAGE, "skimage/data/gravel.png", "evaluation", "gravel", "CC0Textures", _CC0),
)
