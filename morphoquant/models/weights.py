"""Whether a folder's weights are there and whole, from the heads of the files: no weight is read."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from morphoquant.core.errors import ModelError

NO_SAFETENSORS = (
    "{name} has no safetensors weights: pickled ones (.bin, .pt) are refused, because reading them can run code; "
    "convert them with save_pretrained and give that folder."
)
_INDEX = "*.safetensors.index.json"


def check_weights(folder: Path, name: str) -> None:
    """Refuses a folder whose safetensors are missing, in part too, or cut short.

    Args:
        folder: that save_pretrained wrote.
        name: of the model, for the error.

    Raises:
        ModelError: one sentence, which names the file.
    """
    files = {path.name for path in folder.glob("*.safetensors")}
    if not files:
        raise ModelError(NO_SAFETENSORS.format(name=name))
    for index in folder.glob(_INDEX):
        try:
            listed = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
            raise ModelError(f"{index.name} of {name} lists no weights: fetch the model again.") from error
        if missing := sorted(map(str, listed - files)):
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ModelError(f"the weights file {missing[0]}{more} of {name} is missing: fetch the model again.")
    for file in sorted(files):
        try:
            with safe_open(folder / file, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(f"the weights file {file} of {name} is damaged ({error}): fetch the model again.") from error
