import pytest

from morphoquant.core.errors import SpecError
from morphoquant.core.memory import parse_memory


@pytest.mark.parametrize(
    ("text", "size"), [("24GB", 24 * 10**9), ("1.5 GiB", 3 * 2**29), ("512mib", 2**29), ("7 B", 7), ("3tb", 3 * 10**12)]
)
def test_sizes_are_read(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "24", "GB", "-1GB", "0GB", "24GBs", "1e3GB", "0.4B", "nanGB"])
def test_anything_else_is_one_sentence(text):
    with pytest.raises(SpecError, match="expected a number with its unit"):
        parse_memory(text)
