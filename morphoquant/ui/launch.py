"""Command lines of this package, as argument lists for a job and as text for people. No value can be read as an option."""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from morphoquant.core.errors import ModelError, SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.store.run_store import check_run_id

_PROGRAM = [sys.executable, "-m", "morphoquant"]
_METHOD = re.compile(r"[a-z][a-z0-9_]*(:[A-Za-z0-9_.,=+-]+)?(\+[a-z][a-z0-9_]*(:[A-Za-z0-9_.,=+-]+)?)*")


def demo_command() -> list[str]:
    """Fetch, capture and quantise the embedded model."""
    return [*_PROGRAM, "demo", "--no-dashboard"]


def capture_command(model: str, samples: int, seed: int) -> list[str]:
    """Capture a model.

    Raises:
        ModelError: no model is named.
    """
    return [*_PROGRAM, "capture", f"--model={_model(model)}", f"--samples={samples}", f"--seed={seed}"]


def quantize_command(capture: str, methods: Sequence[str], specs: Sequence[str], samples: int, seed: int) -> list[str]:
    """Quantise by every method at every spec, fitted to one capture.

    Raises:
        SpecError: a method or spec that cannot be one, or none.
        StoreError: an identifier that cannot be one.
    """
    words = [f"--run={check_run_id(capture)}", f"--eval-samples={samples}", f"--seed={seed}"]
    return [*_PROGRAM, "quantize", *words, *_methods_and_specs(methods, specs)]


def evaluate_command(
    methods: Sequence[str] = ("rtn", "morphoquant"), specs: Sequence[str] = ("w4a4",), items: int = 100
) -> list[str]:
    """Ask the embedded model questions, in full precision and with every method at every spec.

    Raises:
        SpecError: a method or spec that cannot be one, or specs without a method.
    """
    words = [*_PROGRAM, "evaluate", "demo", f"--items={items}"]
    return [*words, *_methods_and_specs(methods, specs)] if methods else words


def matrix_command(methods: Sequence[str] = ("morphoquant",), specs: Sequence[str] = ("w4a4",), items: int = 40) -> list[str]:
    """Ask the embedded model questions with methods that are calibrated on each modality alone and on all.

    Raises:
        SpecError: as above.
    """
    return [*evaluate_command(methods, specs, items), "--calibrate-on", "text", "image", "audio", "video", "all"]


def sensitivity_command(method: str = "morphoquant", spec: str = "w4a4", items: int = 6) -> list[str]:
    """Quantise each group of layers of the embedded model alone.

    Raises:
        SpecError: a method or spec that cannot be one.
    """
    _methods_and_specs([method], [spec])
    return [*_PROGRAM, "sensitivity", "demo", f"--method={method}", f"--spec={spec}", f"--items={items}"]


def inspect_command(methods: Sequence[str] = ("rtn:grid=range", "morphoquant"), specs: Sequence[str] = ("w4a4",)) -> list[str]:
    """Look inside the embedded model, in full precision and with every method at every spec.

    Raises:
        SpecError: a method or spec that cannot be one, or none.
    """
    return [*_PROGRAM, "inspect", *_methods_and_specs(methods, specs)]


def _methods_and_specs(methods: Sequence[str], specs: Sequence[str]) -> list[str]:
    if not methods or not specs:
        raise SpecError("choose at least one method and one spec.")
    for method in methods:
        if not _METHOD.fullmatch(method):
            raise SpecError(
                f'cannot read method "{method}": expected name[:field=value,...], for example "morphoquant:variant=paper".'
            )
    return ["--method", *methods, "--spec", *(str(QuantSpec.parse(spec)) for spec in specs)]


def shown(argv: Sequence[str]) -> str:
    """A command line as a person types it: "python" for this interpreter."""
    return shlex.join(["python" if index == 0 and word == sys.executable else word for index, word in enumerate(argv)])


def _model(text: str) -> str:
    text = text.strip()
    if not text:
        raise ModelError('name a model: "demo", a hub id such as "Qwen/Qwen2.5-Omni-3B", or a local folder.')
    # A job runs in another folder than the dashboard.
    return str(Path(text).resolve()) if Path(text).is_dir() else text
