"""Item files: what is written is read again; a bad line is one sentence and takes no other with it."""

import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data import item_media
from morphoquant.data.item_file import read_items, write_items
from morphoquant.data.item_tasks import ITEM_TASKS, draw_items
from morphoquant.data.items import Item
from morphoquant.data.sample import Part, Sample

TEXT = {"type": "text", "text": "Is it?"}


def line(name: str = "q", **other) -> dict:
    fields = {"id": name, "task": "t", "parts": [TEXT], "choices": ["yes", "no"], "answer": "no"}
    return {**fields, **other}


def write(folder, *lines) -> str:
    path = folder / "items.jsonl"
    content = [
        each if isinstance(each, bytes) else (each if isinstance(each, str) else json.dumps(each)).encode() for each in lines
    ]
    path.write_bytes(b"\n".join(content) + b"\n")
    return path


@pytest.fixture
def folder(tmp_path):
    Image.fromarray(np.full((4, 6, 3), 7, np.uint8)).save(tmp_path / "ok.png")
    Image.fromarray(np.full((5, 6, 3), 7, np.uint8)).save(tmp_path / "other.png")
    tone = np.sin(np.arange(4000) / 9) / 2
    soundfile.write(tmp_path / "ok.flac", tone, 16_000)
    soundfile.write(tmp_path / "ok.wav", tone, 16_000)
    soundfile.write(tmp_path / "slow.wav", tone, 8_000)
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone, tone], 1), 16_000)
    soundfile.write(tmp_path / "empty.wav", tone[:0], 16_000)
    soundfile.write(tmp_path / "tone.ogg", tone, 16_000)
    for name in ("ok.flac", "ok.wav", "ok.png"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / f"cut-{name}").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "text.flac").write_text("no sound")
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    return tmp_path


def test_what_is_written_is_read_again(tmp_path):
    items = draw_items(list(ITEM_TASKS), 2, 0)
    read, refused = read_items(write_items(items, tmp_path / "made"))
    assert not refused and len(read) == len(items)
    for before, after in zip(items, read, strict=True):
        assert (before.id, before.task, before.choices, before.answer) == (after.id, after.task, after.choices, after.answer)
        for old, new in zip(before.sample.parts, after.sample.parts, strict=True):
            assert old.modality is new.modality
            if old.modality is Modality.TEXT:
                assert old.value == new.value
            elif old.modality is Modality.AUDIO:
                assert np.abs(old.value - new.value).max() <= 0.5 / 32768 + 1e-7
            else:
                assert np.array_equal(old.value, new.value)
    assert not list((tmp_path / "made").rglob(".new-*"))
    assert {path.suffix for path in (tmp_path / "made" / "media").rglob("*.*")} == {".png", ".flac"}


def test_written_twice_is_the_same_file_to_the_byte(tmp_path):
    items = draw_items(["spoken-digit", "text-facts"], 2, 0)
    first, second = (write_items(items, tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    once, _ = read_items(first)
    again, _ = read_items(write_items(once, tmp_path / "c"))
    assert np.array_equal(once[0].sample.parts[0].value, again[0].sample.parts[0].value)


def test_sound_beyond_full_scale_is_cut_off_and_not_wrapped(tmp_path):
    item_media.write_audio(tmp_path / "loud.flac", np.array([1.5, -1.5, 0.25], np.float32))
    assert item_media.read_audio(tmp_path / "loud.flac") == pytest.approx([1, -1, 0.25], abs=1 / 32768)


def test_an_item_that_fails_to_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_items(draw_items(["text-facts"], 3, 0), tmp_path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(item_media.os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write_items(draw_items(["text-facts"], 5, 1), tmp_path)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["items.jsonl"]


def test_every_kind_of_medium_is_read(folder):
    moving = [Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in (0, 90, 200)]
    moving[0].save(folder / "moving.png", save_all=True, append_images=moving[1:])
    parts = [
        {"type": "image", "path": "ok.png"},
        {"type": "audio", "path": "ok.flac"},
        {"type": "audio", "path": "./ok.wav"},
        {"type": "video", "frames": ["ok.png", "ok.png"]},
        {"type": "video", "path": "moving.png"},
        TEXT,
    ]
    (item,), refused = read_items(write(folder, line(parts=parts)))
    assert not refused and item.subject == "cross-modal" and item.answer == 1
    shapes = [part.value.shape for part in item.sample.parts[:-1]]
    assert shapes == [(4, 6, 3), (4000,), (4000,), (2, 4, 6, 3), (3, 4, 4, 3)]
    assert item.sample.parts[4].value[:, 0, 0, 0].tolist() == [0, 90, 200]


def test_of_a_long_moving_picture_some_frames_are_kept(folder):
    moving = [Image.fromarray(np.full((4, 4, 3), 10 * level, np.uint8)) for level in range(20)]
    for name in ("long.gif", "long.png", "long.webp"):
        moving[0].save(folder / name, save_all=True, append_images=moving[1:], **({"lossless": True} if "webp" in name else {}))
        every = item_media.read_video(folder / name)
        assert len(every) == 20
        assert np.array_equal(item_media.read_video(folder / name, 4), every[[2, 7, 12, 17]])
        assert np.array_equal(item_media.read_video(folder / name, 99), every)


def test_transparent_is_white_grey_is_three_channels_and_turned_pictures_stand_upright(folder):
    Image.fromarray(np.zeros((2, 2, 4), np.uint8)).save(folder / "clear.png")
    assert (item_media.read_image(folder / "clear.png") == 255).all()
    Image.fromarray(np.full((2, 2), 9, np.uint8)).save(folder / "grey.png")
    assert (item_media.read_image(folder / "grey.png") == 9).all()
    turned = Image.fromarray(np.zeros((2, 8, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", exif=exif)
    assert item_media.read_image(folder / "turned.jpg").shape == (8, 2, 3)


BAD_PARTS = {
    "missing-picture": ({"type": "image", "path": "none.png"}, "no file 'none.png'"),
    "missing-sound": ({"type": "audio", "path": "none.flac"}, "no file 'none.flac'"),
    "folder": ({"type": "image", "path": "."}, "there is no file"),
    "corrupt-picture": ({"type": "image", "path": "cut-ok.png"}, "'cut-ok.png' is corrupt"),
    "no-picture": ({"type": "image", "path": "text.png"}, "no picture that can be read"),
    "deep-picture": ({"type": "image", "path": "deep.png"}, "8 bits a channel"),
    "corrupt-flac": ({"type": "audio", "path": "cut-ok.flac"}, "'cut-ok.flac' is corrupt"),
    "corrupt-wav": ({"type": "audio", "path": "cut-ok.wav"}, "'cut-ok.wav' is corrupt"),
    "no-sound": ({"type": "audio", "path": "text.flac"}, "is corrupt"),
    "wrong-rate": ({"type": "audio", "path": "slow.wav"}, "has 8000 samples a second: 16000 are needed"),
    "stereo": ({"type": "audio", "path": "stereo.wav"}, "has 2 channels"),
    "empty-sound": ({"type": "audio", "path": "empty.wav"}, "is empty"),
    "ogg": ({"type": "audio", "path": "tone.ogg"}, "is OGG: WAV or FLAC"),
    "video-of-another-kind": ({"type": "video", "path": "ok.wav"}, 'as a list of pictures, "frames"'),
    "frames-of-two-sizes": (
        {"type": "video", "frames": ["ok.png", "other.png"]},
        "'other.png' is 6 x 5 pixels and the first frame 6 x 4",
    ),
    "no-frames": ({"type": "video", "frames": []}, "has no frames"),
    "corrupt-frame": ({"type": "video", "frames": ["ok.png", "cut-ok.png"]}, "'cut-ok.png' is corrupt"),
    "both": ({"type": "video", "frames": ["ok.png"], "path": "ok.png"}, "one only"),
    "outside": ({"type": "image", "path": "../ok.png"}, "leads out of"),
    "absolute": ({"type": "image", "path": "/etc/hostname"}, "leads out of"),
    "number-as-path": ({"type": "image", "path": 3}, "the path 3"),
    "unknown-type": ({"type": "smell", "path": "ok.png"}, "type 'smell': allowed are text, image, audio, video"),
    "type-of-a-list": ({"type": ["image"], "path": "ok.png"}, "allowed are"),
    "no-object": ("ok.png", "type None"),
    "unknown-part-field": ({"type": "text", "text": "a", "size": 3}, "besides 'type' it must have 'text'"),
    "empty-text": ({"type": "text", "text": " "}, "must be a string that is not empty"),
    "number-as-text": ({"type": "text", "text": 5}, "must be a string"),
}
BAD_LINES = {
    "not-json": ("{", "not JSON"),
    "not-utf8": (b"\xff\xfe{}", "not JSON in UTF-8"),
    "list": ("[]", "JSON list"),
    "no-id": ({"task": "t"}, "has no id"),
    "number-as-id": (line(5), "has no id"),
    "no-task": (line("b", task=""), "'b' has no task"),
    "no-answer": (line("b", answer=None), "'b' has no answer"),
    "answer-not-there": (line("b", answer="perhaps"), "'perhaps' of item 'b' is not among its choices"),
    "one-choice": (line("b", choices=["no"]), "at least two"),
    "no-choices": (line("b", choices=None), "no list of choices"),
    "choices-as-text": (line("b", choices="yes or no"), "no list of choices"),
    "nested-choices": (line("b", choices=[["no"], "no"]), "empty or no text"),
    "twice-a-choice": (line("b", choices=["no", "no"]), "none of them twice"),
    "no-parts": (line("b", parts=[]), "'b' has no parts"),
    "parts-as-object": (line("b", parts=TEXT), "'b' has no parts"),
    "unknown-field": (line("b", colour="red"), "unknown field 'colour': allowed are id, task"),
    "same-id": (line("first"), "'first' stands on an earlier line"),
    **{name: (line("b", parts=[part, TEXT]), says) for name, (part, says) in BAD_PARTS.items()},
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_one_sentence_and_the_others_are_whole(folder, name):
    bad, says = BAD_LINES[name]
    items, refused = read_items(write(folder, line("first"), bad, "", line("last", answer="yes")))
    assert [(item.id, item.sample.answer) for item in items] == [("first", "no"), ("last", "yes")]
    (one,) = refused
    assert one.line == 2 and says in one.reason
    assert one.reason.count("\n") == 0 and one.reason.endswith(".")
    assert one.id == (bad["id"] if isinstance(bad, dict) and isinstance(bad.get("id"), str) else None)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(outside)
    (folder / "link.png").symlink_to(outside)
    inside = {"type": "image", "path": str(folder / "ok.png")}
    items, refused = read_items(
        write(folder, line("a", parts=[{"type": "image", "path": "link.png"}, TEXT]), line("b", parts=[inside, TEXT]))
    )
    # An absolute path is fine where it leads to the folder itself.
    assert [item.id for item in items] == ["b"] and "leads out of" in refused[0].reason


def test_an_id_may_come_again_after_a_refused_line(folder):
    items, refused = read_items(write(folder, line("a", answer="perhaps"), line("a")))
    assert [item.id for item in items] == ["a"] and len(refused) == 1


def test_a_byte_order_mark_and_other_line_ends_are_passed_over(folder):
    path = folder / "items.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(line("a")).encode() + b"\r\n" + json.dumps(line("b")).encode())
    items, refused = read_items(path)
    assert [item.id for item in items] == ["a", "b"] and not refused


def test_a_file_without_a_good_line_is_one_sentence(folder):
    with pytest.raises(BatchError, match="no item that can be used: the first of 2 refused lines says: the line is not JSON"):
        read_items(write(folder, "{", "{"))
    with pytest.raises(BatchError, match="it is empty"):
        read_items(write(folder))


def test_a_file_that_cannot_be_read_is_one_sentence(folder):
    for path in (folder / "none.jsonl", folder):
        with pytest.raises(BatchError, match="cannot be read"):
            read_items(path)


def test_two_items_of_one_id_are_not_written(tmp_path):
    items = [Item(Sample("a", "t", (Part(Modality.TEXT, "?"),), "yes"), "t", ("yes", "no"))] * 2
    with pytest.raises(BatchError, match="the same id"):
        write_items(items, tmp_path)
    assert not list(tmp_path.iterdir())
