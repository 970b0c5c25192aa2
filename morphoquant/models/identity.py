"""What names a pretrained model beyond doubt: its revision and the sha256 of each of its files."""

import hashlib
import re
from pathlib import Path

_KEPT = (".safetensors", ".json", ".jinja", ".model", ".txt", ".py")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def file_hashes(folder: Path) -> dict[str, str]:
    """sha256 by name of the files at the top of a model's folder that decide what it computes.

    In a hub cache a large file is a link to a blob that is named by its sha256, which saves reading it.
    """
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _KEPT:
            target = path.resolve().name
            if path.is_symlink() and _SHA256.fullmatch(target):
                found[path.name] = target
                continue
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
