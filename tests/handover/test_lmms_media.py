import io

import handover.needs_lmms  # noqa: F401
import numpy as np
import pytest
import soundfile
from PIL import Image

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.clips import read_clip
from morphoquant.data.resample import resampled
from morphoquant.handover.generation import Wanted
from morphoquant.handover.media import part_of
from morphoquant.handover.prompts import from_messages, from_text

pytestmark = pytest.mark.slow


def tone(rate, pitch, seconds=0.5):
    return np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_a_resampled_tone_is_the_same_tone(rate):
    found = resampled(tone(rate, 1234.5), rate)
    assert found.dtype == np.float32 and len(found) == 8000
    assert np.abs(found - tone(16000, 1234.5))[80:-80].max() < 0.01


def test_what_16_khz_cannot_hold_does_not_fold_back():
    found = resampled(tone(48000, 1000) + tone(48000, 11000), 48000)
    assert np.abs(found - tone(16000, 1000))[80:-80].max() < 0.01


def test_sounds_of_all_shapes_are_one(tmp_path):
    levels = np.round(tone(16000, 440) * 2000) / 32768
    soundfile.write(tmp_path / "a.wav", levels, 16000)
    soundfile.write(tmp_path / "b.wav", np.stack([levels, levels], 1), 16000)
    soundfile.write(content := io.BytesIO(), levels, 16000, format="FLAC")
    given = [
        str(tmp_path / "a.wav"),
        f"file://{tmp_path}/b.wav",
        {"array": levels, "sampling_rate": 16000},
        {"array": levels.tolist(), "sampling_rate": 16000, "path": "gone.wav"},
        {"array": (levels * 32768).astype(np.int16), "sampling_rate": 16000},
        {"array": np.stack([levels, levels]), "sampling_rate": 16000},
        {"bytes": content.getvalue(), "path": "inside.flac"},
        {"bytes": None, "path": str(tmp_path / "a.wav")},
    ]
    parts = [part_of(medium, 8, "video") for medium in given]
    assert {part.modality for part in parts} == {Modality.AUDIO}
    for part in parts:
        assert np.abs(part.value - levels).max() < 1e-6


def test_pictures_of_all_shapes_are_one(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    for medium in (picture, picture.convert("RGBA"), str(tmp_path / "a.png"), {"bytes": content, "path": "a.png"}):
        part = part_of(medium, 8)
        assert part.modality is Modality.IMAGE and (part.value == pixels).all()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Four seconds at 10 frames a second; the grey of a frame is six times its number."""
    av = pytest.importorskip("av")
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 12
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 6 * number, np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def numbers(frames):
    return (frames.mean(axis=(1, 2, 3)) / 6).round().astype(int).tolist()


def test_frames_are_spread_evenly_over_a_clip(clip):
    assert numbers(read_clip(clip, 4)) == [5, 15, 25, 35]
    assert np.abs(np.subtract(numbers(read_clip(clip, 100)), range(40))).max() <= 1  # all 40, as grey as the codec leaves them
    part = part_of(str(clip), 8)
    assert part.modality is Modality.VIDEO and part.value.shape == (8, 48, 64, 3)


def test_frames_of_a_stretch_of_a_clip(clip):
    assert numbers(read_clip(clip, 2, 1.0, 3.0)) == [15, 25]
    assert numbers(part_of({"path": str(clip), "video_start": 3.45, "video_end": None}, 32).value) == [35, 36, 37, 38, 39]
    with pytest.raises(BatchError, match="has no frame between 9"):
        read_clip(clip, 2, 9.0)


def test_moving_pictures_are_videos_where_lmms_eval_says_so(tmp_path):
    frames = [Image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)) for number in range(6)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    path = str(tmp_path / "a.webp")
    assert part_of(path, 3, "video").value[:, 0, 0, 0].tolist() == [40, 120, 200]
    assert part_of(path, 3).modality is Modality.IMAGE


@pytest.mark.parametrize(
    ("medium", "sentence"),
    [
        ("https://somewhere/a.png", "nothing is fetched here"),
        ("nowhere.wav", "there is no sound 'nowhere.wav'"),
        ("nowhere.mp4", "there is no video 'nowhere.mp4'"),
        ("nowhere.png", "there is no file 'nowhere.png'"),
        (object(), "a object, which is no medium"),
        ({"depth": 1}, "with the fields depth: it has no path, bytes or array"),
        ({"bytes": b"noise", "path": "a.wav"}, "the sound 'a.wav' cannot be read"),
        ({"array": np.zeros(0), "sampling_rate": 16000}, "give one or more samples"),
    ],
)
def test_media_that_cannot_be_read_are_one_sentence(medium, sentence):
    with pytest.raises(BatchError, match=sentence):
        part_of(medium, 8)


def test_a_video_that_is_none_is_one_sentence(tmp_path):
    pytest.importorskip("av")
    (tmp_path / "a.mp4").write_bytes(b"noise" * 100)
    with pytest.raises(BatchError, match="'a.mp4' is corrupt, or of a kind that cannot be decoded"):
        read_clip(tmp_path / "a.mp4", 4)


def test_pictures_stand_where_the_text_marks_them():
    pictures = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    kinds = lambda sample: [part.value if part.modality is Modality.TEXT else part.modality for part in sample.parts]  # noqa: E731
    marked = from_text("a", "Is <image> like <image>?", pictures, 8)
    assert kinds(marked) == ["Is ", Modality.IMAGE, " like ", Modality.IMAGE, "?"]
    assert kinds(from_text("a", "Is it red?", pictures[:1], 8)) == [Modality.IMAGE, "Is it red?"]
    assert kinds(from_text("a", "Is it red?", None, 8)) == ["Is it red?"]


def test_turns_of_a_talk_are_refused():
    from lmms_eval.protocol import ChatMessages

    def sample(*turns):
        messages = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]
        return from_messages("a", ChatMessages(messages=messages).messages, 8)

    assert [part.value for part in sample(("system", "Be brief."), ("user", "Why?")).parts] == ["Be brief.", "Why?"]
    with pytest.raises(BatchError, match="has the turns user, assistant, user: one turn of the user is answered"):
        sample(("user", "Why?"), ("assistant", "So."), ("user", "Why?"))


def test_what_a_task_wants_of_an_answer():
    wanted = Wanted.read({"until": ["\n\n", "Q:"], "max_new_tokens": 16, "temperature": 0.2, "num_beams": 1, "top_p": 1.0}, 99)
    assert wanted == Wanted(("Q:",), 16, ("temperature=0.2",))
    assert Wanted.read({"until": "."}, 99) == Wanted((".",), 99)
    assert Wanted.read(None, 99) == Wanted((), 99)
    with pytest.raises(BatchError, match="the task wants 'many' new tokens"):
        Wanted.read({"max_new_tokens": "many"}, 99)
