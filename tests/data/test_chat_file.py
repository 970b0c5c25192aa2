"""Files of chat messages: turns, media and answers; a bad line is one sentence and takes no other with it."""

import json

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.chat_file import read_talk
from morphoquant.data.own import read_own
from morphoquant.data.sample import fingerprint

ASKED = {"role": "user", "content": "Why?"}


def user(*parts, **other) -> dict:
    return {"messages": [{"role": "user", "content": [*parts, {"type": "text", "text": "What is it?"}]}], **other}


@pytest.fixture
def folder(tmp_path):
    Image.fromarray(np.full((4, 6, 3), 7, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100) / 2
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone, tone], 1), 44_100)
    moving = [Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in (0, 90, 200)]
    moving[0].save(tmp_path / "moving.gif", save_all=True, append_images=moving[1:])
    return tmp_path


def write(folder, *lines):
    path = folder / "talks.jsonl"
    path.write_bytes(b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines))
    return str(path)


def test_turns_media_and_the_answer_are_read_in_order(folder):
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "audio", "path": "stereo.wav"}]},
        {"role": "assistant", "content": "A tone."},
        {"role": "user", "content": [{"type": "video", "url": "moving.gif"}, {"type": "video", "video": ["a.png", "a.png"]}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Grey."}]},
    ]
    own = read_own(write(folder, {"id": 7, "messages": talk}), 5, 0, frames=2)
    (sample,) = own.samples
    assert (sample.id, sample.answer, own.refused) == ("7", "Grey.", ())
    assert sample.roles == ("system", "user", "user", "assistant", "user", "user")
    assert [part.modality for part in sample.parts] == ["text", "image", "audio", "text", "video", "video"]
    assert [part.value.shape for part in sample.parts[4:]] == [(2, 4, 4, 3), (2, 4, 6, 3)], "at most two frames of the video"
    sound = sample.parts[2].value
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000) / 2
    assert sound.shape == (16_000,) and np.abs(sound - expected)[100:-100].max() < 0.01


def test_one_user_turn_needs_no_roles_and_media_may_stand_beside_the_messages(folder):
    own = read_own(write(folder, user({"type": "image"}, images=["a.png"])), 1, 0)
    (sample,) = own.samples
    assert sample.roles == () and sample.answer is None and sample.id == "talks.jsonl/1"
    assert sample.parts[0].value.shape == (4, 6, 3)


def test_an_absolute_path_is_taken_and_a_relative_one_stays_inside(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "o.png"
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(outside)
    (folder / "link.png").symlink_to(outside)
    parts = [{"type": "image", "path": path} for path in (str(outside), "link.png", f"../{outside.parent.name}/o.png")]
    own = read_own(write(folder, *map(user, parts)), 5, 0)
    assert [one.parts[0].value.shape for one in own.samples] == [(2, 2, 3)]
    assert len(own.refused) == 2 and all("leads out of" in one for one in own.refused)


BAD = {
    "not-json": (b"{", "not JSON"),
    "not-utf8": (b"\xff{}", "not JSON"),
    "half-a-character": ({"messages": [{"role": "user", "content": "\ud800"}]}, "not JSON in UTF-8"),
    "half-a-character-in-the-id": ({"id": "\udfff", "messages": [ASKED]}, "not JSON in UTF-8"),
    "a-list": ([], "JSON list"),
    "no-messages": ({"text": "a"}, "no messages"),
    "messages-as-text": ({"messages": "a"}, "no messages"),
    "unknown-role": ({"messages": [{"role": "tool", "content": "a"}]}, "role 'tool': allowed are system, user, assistant"),
    "no-object": ({"messages": ["a"]}, "role 'a'"),
    "no-content": ({"messages": [{"role": "user"}]}, "no content"),
    "no-user": ({"messages": [{"role": "assistant", "content": "a"}]}, 'no message with the role "user"'),
    "unknown-type": (user({"type": "smell"}), "type 'smell'"),
    "type-of-a-list": (user({"type": ["image"]}), "allowed are text"),
    "empty-text": (user({"type": "text", "text": " "}), "not empty"),
    "no-path": (user({"type": "image"}), "has no path"),
    "too-few-images": (user({"type": "image"}, {"type": "image"}, images=["a.png"]), "has no path"),
    "images-of-text": (user({"type": "image"}, images="a.png"), "no list"),
    "two-paths": (user({"type": "image", "path": "a.png", "url": "a.png"}), "more than one path"),
    "number-as-path": (user({"type": "image", "path": 3}), "the path 3"),
    "missing": (user({"type": "image", "path": "none.png"}), "no file 'none.png'"),
    "missing-video": (user({"type": "video", "path": "none.mp4"}), "no video 'none.mp4'"),
    "corrupt": (user({"type": "image", "path": "cut.png"}), "corrupt"),
    "no-sound": (user({"type": "audio", "path": "a.png"}), "corrupt"),
    "no-frames": (user({"type": "video", "video": []}), "no frames"),
    "web": (user({"type": "image", "url": "https://example.org/a.png"}), "nothing is fetched here"),
    "inline": (user({"type": "image", "url": "data:image/png;base64,AAAA"}), "nothing is fetched here"),
    "id-of-a-list": ({"id": [1], "messages": [ASKED]}, "is no name"),
    "same-id": ({"id": "first", "messages": [ASKED]}, "stands for another sample"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_one_sentence_and_the_others_are_whole(folder, name):
    bad, says = BAD[name]
    path = write(folder, {"id": "first", "messages": [ASKED]}, bad, b"", {"id": "last", "messages": [ASKED]})
    for seed in range(4):  # lines are read in another order for each seed
        own = read_own(path, 9, seed)
        assert len(own.samples) == 2 and [sample.parts[0].value for sample in own.samples] == ["Why?"] * 2
        (sentence,) = own.refused
        assert says in sentence and sentence.startswith("line ") and sentence.endswith(".") and "\n" not in sentence
        if name != "same-id":
            assert sentence.startswith("line 2: ")


def test_fewer_samples_are_a_part_of_more_and_another_seed_draws_others(folder):
    path = write(folder, *({"messages": [{"role": "user", "content": f"{number}?"}]} for number in range(30)))

    def drawn(count, seed):
        return [sample.id for sample in read_own(path, count, seed).samples]

    assert drawn(5, 0) == drawn(5, 0) != drawn(5, 1)
    assert set(drawn(5, 0)) < set(drawn(12, 0)) and len(drawn(99, 0)) == 30


def test_an_edited_file_or_picture_is_other_data_and_a_moved_folder_is_not(folder, tmp_path_factory):
    path = write(folder, user({"type": "image", "path": "a.png"}))
    before = read_own(path, 1, 0)
    moved = tmp_path_factory.mktemp("moved") / "here"
    folder.rename(moved)
    assert read_own(str(moved / "talks.jsonl"), 1, 0).fingerprint == before.fingerprint
    moved.rename(folder)
    Image.fromarray(np.full((4, 6, 3), 8, np.uint8)).save(folder / "a.png")
    assert read_own(path, 1, 0).fingerprint != before.fingerprint
    with pytest.raises(BatchError, match="line 1 was changed while it was read"):
        list(before.samples)


def test_files_without_a_usable_line_and_bad_numbers_are_one_sentence(folder):
    with pytest.raises(BatchError, match="no sample that can be used: line 1: the line is not JSON"):
        read_own(write(folder, b"{"), 1, 0)
    with pytest.raises(BatchError, match="it is empty"):
        read_own(write(folder), 1, 0)
    with pytest.raises(BatchError, match="there is no file or folder"):
        read_own(str(folder / "none.jsonl"), 1, 0)
    for count, seed, frames in ((0, 0, 1), (1, -1, 1), (1, 0, 0)):
        with pytest.raises(BatchError, match="give 1 or more"):
            read_own(str(folder), count, seed, frames=frames)


def test_what_the_model_refuses_is_left_out(folder):
    def check(sample):
        if Modality.IMAGE in sample.modalities:
            raise BatchError("the model takes text only.")

    own = read_own(write(folder, user({"type": "image", "path": "a.png"}), {"messages": [ASKED]}), 9, 0, check=check)
    assert own.refused == ("line 1: the model takes text only.",) and len(own.samples) == 1


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(), max_size=8),
    st.sampled_from(["user", "system", "assistant", "text", "image", "audio", "video", "a.png", "stereo.wav", "moving.gif", "."]),
)
_FIELDS = st.sampled_from(
    ["role", "content", "type", "text", "image", "audio", "video", "path", "url", "id", "images", "messages"]
)
_ANY = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_FIELDS, inner, max_size=5), max_leaves=12
)
_PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image", "audio", "video"])}, optional={"text": _ANY, "path": _ANY}
)
_MESSAGE = st.fixed_dictionaries({"role": _LEAVES, "content": st.lists(_PART | _ANY, max_size=3) | _ANY})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.fixed_dictionaries({"messages": st.lists(_MESSAGE, max_size=3) | _ANY}, optional={"id": _ANY, "images": _ANY}))
def test_whatever_a_line_holds_it_is_a_sample_or_one_sentence(folder, fields):
    line = json.dumps(fields).encode("utf-8", "surrogatepass")
    try:
        sample = read_talk(line, "some/1", folder)
    except BatchError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
    else:
        assert sample.parts and len(fingerprint([sample])) == 64
