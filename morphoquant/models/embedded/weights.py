"""Puts the converted parts and the trained connectors into a live model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers.utils import logging

from morphoquant.core.errors import ModelError
from morphoquant.models.embedded.configuration import OmniDemoConfig
from morphoquant.models.embedded.modeling import OmniDemoForConditionalGeneration
from morphoquant.models.embedded.parts import WEIGHTS

CONNECTORS = Path(__file__).with_name("connectors.safetensors")
CONNECTOR_PARTS = ("model.image_projector.", "model.video_projector.", "model.audio_projector.", "model.frame_order.")


def build_model(folder: Path, connectors: Path | None = CONNECTORS) -> OmniDemoForConditionalGeneration:
    """The model in float32, ready to run.

    Args:
        folder: the converted folder.
        connectors: trained connectors; None leaves them as `start_connectors` makes them with seed 0.

    Raises:
        ModelError: a file is damaged or does not fit.
    """
    config = OmniDemoConfig.from_pretrained(folder)
    state: dict[str, torch.Tensor] = {}
    for path in [folder / name for name in WEIGHTS] + ([connectors] if connectors is not None else []):
        state.update(_read(path))
    state = {name: tensor.to(torch.float32) for name, tensor in state.items()}
    if connectors is None:
        state.update(start_connectors(config, state["model.language_model.embed_tokens.weight"], seed=0))
    with torch.device("meta"):
        expected = OmniDemoForConditionalGeneration(config).state_dict()
    expected.pop("lm_head.weight")  # tied to the embeddings
    wrong = sorted(set(expected) ^ set(state)) + [n for n in expected if n in state and expected[n].shape != state[n].shape]
    if wrong:
        raise ModelError(
            f"the embedded model's weights do not fit ({wrong[0]}, {len(wrong)} in all): delete {folder} and start again."
        )
    with _quiet():
        model = OmniDemoForConditionalGeneration.from_pretrained(None, config=config, state_dict=state, dtype=torch.float32)
    return model.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own progress bar: loading from memory takes no time worth one."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def start_connectors(config: OmniDemoConfig, words: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
    """Seeded starting values of the connectors; the last gain is the rms of `words` [vocabulary, channels]."""
    with torch.device("meta"):
        shapes = {
            k: v.shape for k, v in OmniDemoForConditionalGeneration(config).state_dict().items() if k.startswith(CONNECTOR_PARTS)
        }
    generator = torch.Generator().manual_seed(seed)
    gain = float(words.float().square().mean().sqrt())
    state = {}
    for name, shape in shapes.items():
        if name.endswith("linear_1.weight") or name.endswith("linear_2.weight"):
            state[name] = torch.randn(shape, generator=generator) * shape[1] ** -0.5
        elif name.endswith("norm.weight"):
            state[name] = torch.full(shape, 1.0 if "input_norm" in name else gain)
        else:
            state[name] = torch.zeros(shape)
    return state


def save_connectors(model: OmniDemoForConditionalGeneration, path: Path) -> None:
    """Writes the connectors in float16, whole or not at all."""
    state = {
        k: v.detach().to("cpu", torch.float16).contiguous()
        for k, v in model.state_dict().items()
        if k.startswith(CONNECTOR_PARTS)
    }
    sibling = path.with_name(path.name + ".tmp")
    save_file(state, sibling, metadata={"format": "pt"})
    sibling.replace(path)


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise ModelError(
            f"{path} is missing: install the project again, or train it with morphoquant.models.embedded.train."
        ) from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read ({error}): delete it and start again.") from error
