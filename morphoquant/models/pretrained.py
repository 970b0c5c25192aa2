"""Models from the hub or a local folder, through the Auto classes of transformers; safetensors only."""

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from morphoquant.core.errors import ModelError
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.models.identity import file_hashes
from morphoquant.models.messages import MessageEncoder, prepared_modalities
from morphoquant.models.placeholders import placeholder_ids, reading_config
from morphoquant.models.shared_placeholder import VISUAL, SharedPlaceholder, pass_over
from morphoquant.models.weights import NO_SAFETENSORS, check_weights


def load_pretrained(
    name: str,
    *,
    revision: str | None,
    trust_remote_code: bool,
    weights: bool = True,
    dtype: torch.dtype = torch.float32,
    places: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[nn.Module, MessageEncoder, dict]:
    """(model, encoder, identity) of a hub id or a local folder; without weights on the meta device, of no files.

    Args:
        name: hub id or folder.
        revision: of a hub id.
        trust_remote_code: run code that the repository brings.
        weights: False for shapes alone.
        dtype: of weights and activations.
        places: options of `from_pretrained` that say where the weights go; none for main memory.

    Raises:
        ModelError: it cannot be found, fetched, read or fed.
    """
    check_torchvision()
    folder = _local_folder(name)
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if folder is None:
        options["revision"] = revision
    source = str(folder or name)
    from transformers import AutoConfig

    config = _explained(name, "configuration", lambda: AutoConfig.from_pretrained(source, **options))
    if folder is not None:
        check_weights(folder, name)
    # An omni-modal model's talker and vocoder are no part of what is measured: only its thinker is loaded.
    reading = reading_config(config)
    auto = auto_class(reading)
    # A copy of the options: transformers takes some keys out.
    build = dict(options, config=reading, dtype=dtype, use_safetensors=True, **places)
    if weights:
        model = _explained(name, "weights", lambda: auto.from_pretrained(source, **build))
    else:
        with torch.device("meta"):
            model = _explained(name, "model", lambda: auto.from_config(reading, trust_remote_code=trust_remote_code))
    processor = _explained(name, "processor", lambda: _processor(source, config, options))
    shared = SharedPlaceholder.of(config)
    takes = frozenset({Modality.TEXT, *placeholder_ids(config).values(), *(VISUAL if shared else ())})
    modalities = frozenset(m for m in CONTENT if m in takes & prepared_modalities(processor))
    commit = None if folder is not None else getattr(config, "_commit_hash", None) or revision
    files = file_hashes(folder or _snapshot(name, commit)) if weights else {}
    identity = {"id": name, "revision": commit, "class": type(model).__name__, "files": files}
    if dtype != torch.float32:
        identity["dtype"] = str(dtype).removeprefix("torch.")
    # Without videos there is nothing to tell apart.
    if shared is None or Modality.VIDEO not in modalities:
        return model, MessageEncoder(processor, modalities), identity
    pass_over(model)
    return model, MessageEncoder(processor, modalities, shared), identity


def auto_class(config: Any) -> Any:
    """The Auto class that knows a config's model with its language head, the bare AutoModel if none does."""
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM
    from transformers.models.auto import modeling_auto as known

    own = getattr(config, "auto_map", None) or {}
    for auto, mapping in (
        (AutoModelForMultimodalLM, known.MODEL_FOR_MULTIMODAL_LM_MAPPING),
        (AutoModelForCausalLM, known.MODEL_FOR_CAUSAL_LM_MAPPING),
    ):
        if type(config) in mapping or auto.__name__ in own:
            return auto
    return AutoModel


def check_torchvision() -> None:
    """Refuses a torchvision that is installed but does not import: transformers then fails in places far from the cause.

    Raises:
        ModelError: it is broken.
    """
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        raise ModelError(
            f"torchvision is installed but does not import ({_first_line(error)}): uninstall it, or install the build that "
            f"belongs to torch {torch.__version__}."
        ) from error


def _local_folder(name: str) -> Path | None:
    """The folder that `name` is, absent if it is a hub id."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"the folder {name} holds no config.json: give the folder that save_pretrained wrote.")
        return folder
    is_path = name.startswith((".", "~")) or folder.is_absolute() or len(folder.parts) > 2
    if is_path or not name.strip():
        raise ModelError(
            f'there is no model folder {name!r}: give an existing folder, a hub id such as "Qwen/Qwen2.5-Omni-3B", or "demo".'
        )
    return None


def _processor(source: str, config: Any, options: dict[str, Any]) -> Any:
    from transformers import AutoProcessor, AutoTokenizer

    # A model of text alone has a tokenizer and no processor.
    return (AutoProcessor if placeholder_ids(config) else AutoTokenizer).from_pretrained(source, **options)


def _snapshot(name: str, revision: str | None) -> Path:
    """The folder of the hub's cache that the files were read from."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, revision=revision, local_files_only=True))


def _explained(name: str, what: str, read):
    """Runs `read`; whatever transformers says becomes one sentence."""
    from huggingface_hub.errors import StrictDataclassError
    from huggingface_hub.utils import logging

    level = logging.get_verbosity()
    # An unreachable hub is told in one sentence below, not in a warning a retry.
    logging.set_verbosity_error()
    try:
        return read()
    except SafetensorError as error:
        raise ModelError(f"a weights file of {name} is damaged ({_first_line(error)}): fetch the model again.") from error
    except StrictDataclassError as error:
        said = " ".join(str(error).split())[:300].rstrip(". ")
        raise ModelError(
            f"the {what} of {name} cannot be read ({said}): mend its config.json, or fetch the model again."
        ) from error
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, AttributeError, TypeError) as error:
        said = str(error)
        if "trust_remote_code" in said:
            reason = f"{name} brings code of its own: pass --trust-remote-code if you trust whoever published it."
        elif what == "weights" and "safetensors" in said:
            reason = NO_SAFETENSORS.format(name=name)
        elif "torchvision" in said.lower():
            reason = f"the {what} of {name} needs torchvision, which is missing: install the build for torch {torch.__version__}."
        elif any(sign in said.lower() for sign in ("connect", "offline", "resolve", "timed out", "proxy")):
            reason = f"{name} is not in the local cache and the hub cannot be reached: connect, or give a local folder."
        elif "not a valid model identifier" in said or "404" in said:
            reason = f"there is no model {name!r} on the hub that you may read: check the name, or give a local folder."
        else:
            reason = f"the {what} of {name} cannot be read ({_first_line(error)}): give a complete model, its processor included."
        raise ModelError(reason) from error
    finally:
        logging.set_verbosity(level)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
