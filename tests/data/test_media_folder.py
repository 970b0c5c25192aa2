"""Folders of media: a file a sample, a picture and its text together; videos through PyAV."""

import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from morphoquant.data.media_folder import PASSAGE
from morphoquant.data.own import read_own


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.full((4, 6, 3), 7, np.uint8)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_text("A grey picture.\n", encoding="utf-8")
    soundfile.write(tmp_path / "b.flac", np.sin(np.arange(4000) / 9) / 2, 8_000)
    moving = [Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in range(0, 200, 10)]
    moving[0].save(tmp_path / "c.gif", save_all=True, append_images=moving[1:])
    (tmp_path / "d.md").write_text("line of words\n" * 700, encoding="utf-8")
    (tmp_path / "e.bin").write_bytes(b"?")
    (tmp_path / "f.txt").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "g.txt").write_text("  ")
    (tmp_path / ".hidden.txt").write_text("not read")
    return tmp_path


def test_files_are_samples_and_those_of_one_name_belong_together(folder):
    own = read_own(str(folder), 99, 0)
    found = {sample.id: sample for sample in own.samples}
    assert own.name == folder.name
    assert list(found) == ["b.flac", "c.gif", "d.md#1", "d.md#2", "d.md#3", "in/a"]
    assert found["in/a"].kind == "text+image" and [part.modality for part in found["in/a"].parts] == ["image", "text"]
    assert found["b.flac"].parts[0].value.shape == (8000,), "half a second at 16 kHz"
    assert found["c.gif"].parts[0].value.shape == (16, 4, 4, 3)
    texts = [found[f"d.md#{number}"].parts[0].value for number in (1, 2, 3)]
    assert all(len(text) <= PASSAGE and text.startswith("line of") for text in texts)
    assert "\n".join(texts) == ("line of words\n" * 700).strip()
    assert sorted(sentence.partition(":")[0] for sentence in own.refused) == ["e.bin", "f.txt", "g.txt"]


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.txt"
    outside.write_text("secret")
    (folder / "link.txt").symlink_to(outside)
    own = read_own(str(folder), 99, 0)
    assert "link.txt: it is a link that leads out of the folder: put the file itself there." in own.refused
    assert all(part.value != "secret" for sample in own.samples for part in sample.parts if isinstance(part.value, str))


def test_a_count_may_cut_a_long_text_and_other_files_are_not_read_again(folder):
    for seed in range(5):
        assert len(read_own(str(folder), 2, seed).samples) == 2


def test_mp4_is_decoded_at_frames_evenly_spread(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "v.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for level in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((16, 32, 3), level * 6, np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    (sample,) = read_own(str(tmp_path), 1, 0, frames=4).samples
    video = sample.parts[0].value
    assert video.shape == (4, 16, 32, 3)
    assert np.abs(video.mean((1, 2, 3)) / 6 - [5, 15, 25, 35]).max() < 2


def test_without_pyav_a_video_is_one_sentence_and_the_rest_is_whole(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # what an import finds where the package is not installed
    (folder / "v.mp4").write_bytes(b"a video")
    own = read_own(str(folder), 99, 0)
    (sentence,) = [one for one in own.refused if one.startswith("v.mp4")]
    assert "PyAV" in sentence and "[video]" in sentence and len(own.samples) == 6
