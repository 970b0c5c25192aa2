"""Data sets through the datasets package, from a local folder of Parquet as it lies on the hub; one sentence without it."""

import io
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from morphoquant.core.errors import BatchError, MissingExtraError
from morphoquant.data.own import is_own, read_own


@pytest.fixture
def datasets(monkeypatch):
    # Read when the package is imported, so that an address that is no folder is not looked up on the hub.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets")


def write(rows, features, path):
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=features.arrow_schema), path)


@pytest.fixture
def folder(datasets, tmp_path):
    Image.fromarray(np.full((4, 6, 3), 7, np.uint8)).save(picture := io.BytesIO(), "PNG")
    soundfile.write(sound := io.BytesIO(), np.sin(np.arange(4000) / 9) / 2, 8_000, format="WAV")
    kinds = {"image": datasets.Image(), "sound": datasets.Audio(), "question": datasets.Value("string")}
    kinds |= {"answer": datasets.Value("string"), "number": datasets.Value("int64")}
    rows = [
        {
            "image": {"bytes": picture.getvalue(), "path": "a.png"} if number % 2 else None,
            "sound": {"bytes": sound.getvalue(), "path": "a.wav"},
            "question": f"Which is {number}?",
            "answer": "This." if number % 3 else None,
            "number": number,
        }
        for number in range(6)
    ]
    rows[4]["sound"] = {"bytes": b"no sound", "path": "a.wav"}
    write(rows, datasets.Features(kinds), tmp_path / "set" / "train.parquet")
    content = {"type": datasets.Value("string"), "text": datasets.Value("string")}
    said = {"role": datasets.Value("string"), "content": datasets.List(content)}
    talk = [
        {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Grey."}]},
    ]
    features = datasets.Features({"messages": datasets.List(said), "images": datasets.List(datasets.Image())})
    shown = [{"bytes": picture.getvalue(), "path": None}]
    write([{"messages": talk, "images": shown}], features, tmp_path / "talks" / "test.parquet")
    return tmp_path


def test_rows_are_media_then_texts_and_a_bad_one_is_one_sentence(folder):
    own = read_own(f"hf:{folder / 'set'}", 9, 0)
    assert own.name == f"hf:{folder / 'set'}" and len(own.samples) == 5
    (sentence,) = own.refused
    assert sentence.startswith("row 5: ") and "corrupt" in sentence
    for sample in own.samples:
        number = int(sample.parts[-1].value.split()[-1][:-1])
        assert [part.modality for part in sample.parts] == (["image"] if number % 2 else []) + ["audio", "text"]
        assert sample.answer == ("This." if number % 3 else None) and sample.parts[-2].value.shape == (8000,)


def test_fewer_rows_are_a_part_of_more_and_the_seed_draws_them(folder):
    def drawn(count, seed):
        return [sample.parts[-1].value for sample in read_own(f"hf:{folder / 'set'}", count, seed).samples]

    assert drawn(2, 0) == drawn(3, 0)[:2] and drawn(5, 0) != drawn(5, 1)


def test_talks_with_pictures_beside_them_are_read(folder):
    (sample,) = read_own(f"hf:{folder / 'talks'}", 3, 0).samples
    assert [part.modality for part in sample.parts] == ["image", "text"] and sample.answer == "Grey."


@pytest.mark.slow  # waits for a hub that may not answer
def test_sets_that_are_not_there_are_one_sentence(folder):
    for name, says in (("nobody/nothing", "cannot be read"), (f"{folder / 'set'}:none", "cannot be read")):
        with pytest.raises(BatchError, match=says) as told:
            read_own(f"hf:{name}", 3, 0)
        assert "\n" not in str(told.value)
    with pytest.raises(BatchError, match="has no split 'dev': it has train"):
        read_own(f"hf:{folder / 'set'}::dev", 3, 0)


def test_without_the_package_it_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)  # what an import finds where the package is not installed
    assert is_own("hf:some/set")
    with pytest.raises(MissingExtraError, match="datasets is not installed: install it with the project's extra"):
        read_own("hf:some/set", 3, 0)
