"""The embedded omni-modal model: SmolLM2 as stock LlamaModel, Whisper's encoder, a Dinov2Model, and connectors.

It follows transformers' conventions for omni-modal models: placeholders in `input_ids` are replaced by the features that
get_image_features, get_audio_features and get_video_features return.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import Dinov2Model, GenerationMixin, LlamaModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast, ModelOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from morphoquant.core.errors import BatchError
from morphoquant.models.embedded.configuration import OmniDemoConfig
from morphoquant.models.embedded.connectors import MERGE, OmniDemoProjector, join_frames, join_patches


@dataclass
class OmniDemoFeatures(ModelOutput):
    """Features of one modality.

    Attributes:
        pooler_output: one tensor [tokens, channels] for each image, clip or video.
        last_hidden_state: of the encoder.
    """

    pooler_output: list[torch.Tensor] | None = None
    last_hidden_state: torch.Tensor | None = None


class OmniDemoPreTrainedModel(PreTrainedModel):
    """What the two model classes share."""

    config_class = OmniDemoConfig
    base_model_prefix = "model"
    input_modalities = ("text", "image", "audio", "video")
    _supports_sdpa = True
    _no_split_modules = ["LlamaDecoderLayer", "WhisperEncoderLayer", "Dinov2Layer"]


class OmniDemoModel(OmniDemoPreTrainedModel):
    """Encoders, connectors and the language model, without a head."""

    def __init__(self, config: OmniDemoConfig):
        super().__init__(config)
        patch, frame = config.vision_config.hidden_size, config.audio_config.d_model
        width, out = config.connector_width, config.text_config.hidden_size
        self.vision_tower = Dinov2Model(config.vision_config)
        self.audio_tower = WhisperEncoder(config.audio_config)
        self.language_model = LlamaModel(config.text_config)
        self.image_projector = OmniDemoProjector((MERGE**2 + 1) * patch, width, out)
        self.video_projector = OmniDemoProjector((MERGE**2 + 1) * patch, width, out)
        self.audio_projector = OmniDemoProjector(config.audio_stack * frame, width, out)
        self.frame_order = nn.Embedding(config.max_frames, width)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.embed_tokens = value

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs) -> OmniDemoFeatures:
        """`pixel_values` [images, 3, side, side] -> image_grid ** 2 embeddings for each."""
        hidden = self.vision_tower(pixel_values).last_hidden_state
        images = self.image_projector(join_patches(hidden, self.config.image_grid))
        return OmniDemoFeatures(pooler_output=list(images), last_hidden_state=hidden)

    def get_video_features(
        self, pixel_values_videos: torch.Tensor, video_frame_counts: torch.Tensor | None = None, **kwargs
    ) -> OmniDemoFeatures:
        """`pixel_values_videos` [frames of all videos, 3, side, side] -> frame_grid ** 2 embeddings for each frame.

        `video_frame_counts` [videos] tells how many frames each video has; absent for one video.
        """
        hidden = self.vision_tower(pixel_values_videos).last_hidden_state
        counts = [len(hidden)] if video_frame_counts is None else video_frame_counts.tolist()
        frames = self.project_frames(join_patches(hidden, self.config.frame_grid), counts)
        return OmniDemoFeatures(pooler_output=[video.flatten(0, 1) for video in frames.split(counts)], last_hidden_state=hidden)

    def project_frames(self, joined: torch.Tensor, counts: list[int]) -> torch.Tensor:
        """Joined patches of all frames [frames, tokens, width] -> [frames, tokens, channels]; each video's order starts at 0."""
        places = torch.cat([torch.arange(count) for count in counts]).to(joined.device)
        return self.video_projector(joined, self.frame_order(places)[:, None])

    def get_audio_features(
        self, input_features: torch.Tensor, feature_attention_mask: torch.Tensor | None = None, **kwargs
    ) -> OmniDemoFeatures:
        """`input_features` [clips, mels, mel frames] -> one embedding for each `audio_stack` encoder frames of real sound.

        `feature_attention_mask` [clips, mel frames] is 1 where there is sound and 0 on padding; absent if there is none.
        """
        hidden = self.audio_tower(input_features).last_hidden_state
        if feature_attention_mask is None:
            lengths = torch.full((len(hidden),), hidden.shape[1], device=hidden.device)
        else:
            lengths = self._get_feat_extract_output_lengths(feature_attention_mask.sum(-1))
        clips = [self.audio_projector(clip) for clip in join_frames(hidden, lengths, self.config.audio_stack)]
        return OmniDemoFeatures(pooler_output=clips, last_hidden_state=hidden)

    def _get_feat_extract_output_lengths(self, input_lengths: torch.Tensor) -> torch.Tensor:
        """Encoder frames of so many mel frames (the second convolution has stride 2)."""
        return (input_lengths - 1) // 2 + 1

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values=None,
        inputs_embeds: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        feature_attention_mask: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        video_frame_counts: torch.Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPast:
        """Runs the model; see the get_*_features methods for the shapes."""
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        going_on = past_key_values is not None and past_key_values.get_seq_length() > 0

        def wanted(media: torch.Tensor | None, token: int) -> bool:
            # While generating, media are given at every step and are in the cache after the first.
            return media is not None and input_ids is not None and not (going_on and not (input_ids == token).any())

        if wanted(pixel_values, token := self.config.image_token_id):
            found = self.get_image_features(pixel_values)
            inputs_embeds = self._place(inputs_embeds, input_ids, token, found, "image")
        if wanted(input_features, token := self.config.audio_token_id):
            found = self.get_audio_features(input_features, feature_attention_mask)
            inputs_embeds = self._place(inputs_embeds, input_ids, token, found, "audio")
        if wanted(pixel_values_videos, token := self.config.video_token_id):
            found = self.get_video_features(pixel_values_videos, video_frame_counts)
            inputs_embeds = self._place(inputs_embeds, input_ids, token, found, "video")
        return self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )

    @staticmethod
    def _place(embeds: torch.Tensor, input_ids: torch.Tensor, token: int, found: OmniDemoFeatures, name: str) -> torch.Tensor:
        features = torch.cat(found.pooler_output).to(embeds)
        mask = input_ids == token
        if int(mask.sum()) != len(features):
            raise BatchError(
                f"input_ids hold {int(mask.sum())} {name} placeholders but the media give {len(features)} {name} tokens: "
                "make the batch with the model's own processor."
            )
        return embeds.masked_scatter(mask.unsqueeze(-1), features)


class OmniDemoForConditionalGeneration(OmniDemoPreTrainedModel, GenerationMixin):
    """The model with its language head."""

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}

    def __init__(self, config: OmniDemoConfig):
        super().__init__(config)
        self.model = OmniDemoModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs) -> OmniDemoFeatures:
        """See `OmniDemoModel.get_image_features`."""
        return self.model.get_image_features(pixel_values, **kwargs)

    def get_video_features(self, pixel_values_videos: torch.Tensor, video_frame_counts=None, **kwargs) -> OmniDemoFeatures:
        """See `OmniDemoModel.get_video_features`."""
        return self.model.get_video_features(pixel_values_videos, video_frame_counts, **kwargs)

    def get_audio_features(self, input_features: torch.Tensor, feature_attention_mask=None, **kwargs) -> OmniDemoFeatures:
        """See `OmniDemoModel.get_audio_features`."""
        return self.model.get_audio_features(input_features, feature_attention_mask, **kwargs)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values=None,
        inputs_embeds: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        feature_attention_mask: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        video_frame_counts: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs,
    ) -> CausalLMOutputWithPast:
        """Runs the model and its head; `labels` [batch, tokens] are -100 where no loss is wanted."""
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            pixel_values=pixel_values,
            input_features=input_features,
            feature_attention_mask=feature_attention_mask,
            pixel_values_videos=pixel_values_videos,
            video_frame_counts=video_frame_counts,
            **kwargs,
        )
        hidden = outputs.last_hidden_state
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(hidden[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.text_config.vocab_size)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )
