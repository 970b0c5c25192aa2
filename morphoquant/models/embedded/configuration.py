"""Configuration of the embedded omni-modal model, after the conventions of transformers."""

from transformers import Dinov2Config, LlamaConfig, PreTrainedConfig, WhisperConfig


class OmniDemoConfig(PreTrainedConfig):
    """Sub-configurations of the parts, ids of the placeholders and shapes of the connectors.

    Args:
        text_config: of the language model.
        vision_config: of the encoder of images and video frames.
        audio_config: of the audio encoder.
        image_token_id: placeholder of one image token.
        audio_token_id: placeholder of one audio token.
        video_token_id: placeholder of one video token.
        image_size: pixels of an image's side as the encoder sees it.
        frame_size: pixels of a video frame's side as the encoder sees it.
        image_grid: image tokens along a side, image_grid ** 2 tokens an image.
        frame_grid: video tokens along a frame's side.
        audio_stack: encoder frames (20 ms each) that one audio token covers.
        max_frames: frames of a video at most.
        connector_width: hidden channels of each connector.
    """

    model_type = "morphoquant_omni_demo"
    sub_configs = {"text_config": LlamaConfig, "vision_config": Dinov2Config, "audio_config": WhisperConfig}

    def __init__(
        self,
        text_config: LlamaConfig | dict | None = None,
        vision_config: Dinov2Config | dict | None = None,
        audio_config: WhisperConfig | dict | None = None,
        image_token_id: int = 3,
        audio_token_id: int = 4,
        video_token_id: int = 5,
        image_size: int = 224,
        frame_size: int = 112,
        image_grid: int = 4,
        frame_grid: int = 2,
        audio_stack: int = 5,
        max_frames: int = 16,
        connector_width: int = 768,
        **kwargs,
    ):
        self.text_config = _read(LlamaConfig, text_config)
        self.vision_config = _read(Dinov2Config, vision_config)
        self.audio_config = _read(WhisperConfig, audio_config)
        self.image_token_id = image_token_id
        self.audio_token_id = audio_token_id
        self.video_token_id = video_token_id
        self.image_size = image_size
        self.frame_size = frame_size
        self.image_grid = image_grid
        self.frame_grid = frame_grid
        self.audio_stack = audio_stack
        self.max_frames = max_frames
        self.connector_width = connector_width
        kwargs.setdefault("tie_word_embeddings", self.text_config.tie_word_embeddings)
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            kwargs.setdefault(name, getattr(self.text_config, name))
        super().__init__(**kwargs)


def _read(kind, value):
    if isinstance(value, kind):
        return value
    return kind(**{name: field for name, field in (value or {}).items() if name != "model_type"})
