"""Media of no length: each is told by its name in one sentence, and what stands beside it is read whole."""

import wave

import numpy as np
import pytest
from PIL import Image

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.own import read_own
from morphoquant.data.own_media import ENDINGS, read_medium


@pytest.mark.parametrize(
    ("modality", "ending"), [(modality, ending) for modality, endings in ENDINGS.items() for ending in sorted(endings)]
)
def test_a_file_of_no_bytes_is_one_sentence_and_the_others_are_whole(tmp_path, modality, ending):
    (tmp_path / f"empty{ending}").touch()
    (tmp_path / "whole.txt").write_text("Some words.")
    own = read_own(str(tmp_path), 9, 0)
    assert [sample.id for sample in own.samples] == ["whole.txt"]
    (sentence,) = own.refused
    assert sentence.startswith(f"empty{ending}: ") and sentence.endswith(".") and "\n" not in sentence


def test_a_sound_without_a_sample_and_a_picture_cut_off_behind_its_head_are_refused(tmp_path):
    with wave.open(str(tmp_path / "none.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
    with pytest.raises(BatchError, match="is empty"):
        read_medium(Modality.AUDIO, tmp_path / "none.wav")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "head.png").write_bytes((tmp_path / "whole.png").read_bytes()[:33])
    with pytest.raises(BatchError, match="corrupt"):
        read_medium(Modality.IMAGE, tmp_path / "head.png")


def test_resampling_never_leaves_nothing(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "one.wav", np.full(1, 0.5), 96_000)
    assert len(read_medium(Modality.AUDIO, tmp_path / "one.wav").value) >= 1
