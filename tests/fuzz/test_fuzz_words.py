"""What people write by hand: specs, methods, item files, talks and links, ten thousand inputs each."""

import json
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest
from fuzz.inputs import Good, fuzzed
from hypothesis import strategies as st
from PIL import Image

from morphoquant.core.errors import BatchError
from morphoquant.core.spec import QuantSpec
from morphoquant.data.chat_file import read_talk
from morphoquant.data.item_file import read_items
from morphoquant.data.sample import fingerprint
from morphoquant.methods.options import make_method, parse_method
from morphoquant.ui.address import Address

pytestmark = pytest.mark.slow


def letters(content: bytes) -> str:
    """Each byte as a letter."""
    return content.decode("latin-1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("media")
    Image.fromarray(np.full((4, 6, 3), 7, np.uint8)).save(made / "a.png")
    return made


def test_specs():
    word = st.sampled_from(["w4a4", "w8a16", "W3A3", "w", "a", "4", "16", "99", "g128", "g0", "token", "tensor", "nf4", "amxfp4"])
    words = st.lists(word, min_size=1, max_size=5).map("-".join)

    def read(text: str) -> None:
        spec = QuantSpec.parse(text)
        assert QuantSpec.parse(str(spec)) == spec

    fuzzed("specs", read, Good(b"w4a8-g128-nf4-token", letters), others=words | st.text())


def test_methods():
    good = [b"morphoquant:variant=paper,lam=1.5", b"quarot:seed=1+mdqfo", b"smoothquant:alpha=0.5+gptq+dabc", b"awq:clip=false"]

    def read(text: str) -> None:
        method = parse_method(text)
        assert make_method(method.name, method.options()).options() == method.options()

    fuzzed("methods", read, *(Good(one, letters) for one in good), others=st.text())


def test_links():
    good = (
        b"run=rtn-w4a4-0123456789ab&modality=text&modality=image&channel=3&first=1&whatif.bits=3&measure.errors=sqnr&subject=text"
    )

    def read(text: str) -> None:
        address = Address.from_query(parse_qs(text))
        assert Address.from_query(parse_qs(address.link().lstrip("?"))) == address

    fuzzed("links", read, Good(good, letters))


_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["text", "image", "audio", "video", "user", "a.png", "../a.png", "/etc/passwd", "a\0b", "yes", "no", "."])
)  # fmt: skip
_FIELDS = st.sampled_from(
    ["id", "task", "parts", "choices", "answer", "type", "text", "path", "frames", "image", "role", "content", "messages"]
)
_ANY = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=4), max_leaves=8
)
_PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image", "audio", "video"]) | _LEAVES},
    optional={"text": _LEAVES, "path": _LEAVES, "frames": _ANY, "image": _ANY},
)


def test_item_files(folder):
    item = {"id": "a", "task": "t", "parts": [{"type": "image", "path": "a.png"}, {"type": "text", "text": "?"}]}
    good = json.dumps({**item, "choices": ["yes", "no"], "answer": "no"}).encode()
    fields = st.fixed_dictionaries(
        {"id": _LEAVES, "task": _LEAVES, "parts": st.lists(_PART, max_size=3) | _ANY},
        optional={"choices": st.lists(st.sampled_from(["yes", "no"]) | _LEAVES, max_size=3) | _ANY, "answer": _LEAVES},
    )
    lines = fields.map(lambda found: json.dumps(found).encode("utf-8", "surrogatepass"))
    path = folder / "items.jsonl"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        items, refused = read_items(path)
        assert all(one.reason.endswith(".") and "\n" not in one.reason for one in refused)
        fingerprint([item.sample for item in items])

    fuzzed("item files", read, Good(good), Good(good + b"\n" + good.replace(b'"a"', b'"b"')), others=lines)


def test_talks(folder):
    parts = [{"type": "image", "image": "a.png"}, {"type": "text", "text": "?"}]
    good = json.dumps({"id": 1, "messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "a"}]}).encode()
    message = st.fixed_dictionaries({"role": _LEAVES, "content": st.lists(_PART | _ANY, max_size=3) | _ANY})
    fields = st.fixed_dictionaries({"messages": st.lists(message, max_size=3) | _ANY}, optional={"id": _ANY, "images": _ANY})
    lines = fields.map(lambda found: json.dumps(found).encode("utf-8", "surrogatepass"))

    def read(line: bytes) -> None:
        if not line.strip():
            raise BatchError("empty lines are passed over.")
        fingerprint([read_talk(line, "some/1", folder)])

    fuzzed("talks", read, Good(good), others=lines)
