"""The text of media/LICENSES.md, written from the same tables that the media are made from."""

from morphoquant.data.make.photographs import PHOTOGRAPHS

_TEXT = """# Licences of the demo media

MorphoQuant's own licence does not cover the files of this folder; these do.
All but passages.json and facts.json, which are written by hand, are made by `python -m morphoquant.data.make`.

## Handwriting: digits.png, digits.json
Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository, CC BY 4.0
(https://archive.ics.uci.edu/dataset/80). The 1,797 images of the test set as shipped by scikit-learn, laid out as one atlas.

## Recorded speech: recorded.flac, recorded.json
Recorded by Allison Smith (http://www.theivrvoice.com) for the Asterisk core sounds, financial contributions by Digium, Inc.,
CC BY-SA 3.0 (https://creativecommons.org/licenses/by-sa/3.0/). Taken from the Debian package asterisk-core-sounds-en-wav.
Changed: resampled to 16 kHz, silence cut, level set, amplitudes rounded to 11 bits. These two files are under the same licence.

## Synthetic speech: synthetic.flac, synthetic.json
Spoken by espeak-ng (https://github.com/espeak-ng/espeak-ng) from words and sentences written for MorphoQuant. The program is
under GPL-3.0-or-later, which does not cover what it says. The recordings are under MorphoQuant's licence, Apache-2.0.

## Passages and questions: passages.json, facts.json
Written for MorphoQuant, under its licence, Apache-2.0.

## Photographs
Read from the wheel named, made smaller, nothing else changed. Where they come from first: danielbuechele,
https://www.flickr.com/photos/danielbuechele/6061409035/; vultilion, https://www.flickr.com/photos/vultilion/6056698931/;
the others are named in the docstrings of skimage.data. CC BY 2.0 is https://creativecommons.org/licenses/by/2.0/.

| file | shows | author | licence | wheel |
|---|---|---|---|---|
"""


def licences() -> str:
    """The whole file as Markdown."""
    rows = [f"| {p.name}.jpg | {p.shows} | {p.author} | {p.licence} | {p.wheel} |" for p in PHOTOGRAPHS]
    return _TEXT + "\n".join(rows) + "\n"
