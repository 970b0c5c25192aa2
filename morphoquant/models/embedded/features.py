"""Features of the frozen encoders, computed once for each item and kept, ready for the connectors.

What is kept is what a connector reads: joined patches of images and frames, joined encoder frames of sound.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

from morphoquant.core.modality import Modality
from morphoquant.core.progress import Progress, silent
from morphoquant.models.embedded.connectors import join_frames, join_patches
from morphoquant.models.embedded.media import mel_features, normalised
from morphoquant.models.embedded.modeling import OmniDemoModel
from morphoquant.models.embedded.tasks import POOLS, draw_sized

# (function, items) -> results in order: the built-in map, or a process pool's imap.
Spread = Callable[[Callable, Iterable], Iterable]


@dataclass(frozen=True, eq=False)
class Features:
    """Encoded items of a pool.

    Attributes:
        modality: of the items.
        rows: float16 [rows of all items, tokens, width]: images and frames have one row each, sound one a token.
        starts: first row of each item, and the end of the last.
        answers: of each item.
    """

    modality: Modality
    rows: torch.Tensor
    starts: list[int]
    answers: list[str]

    def item(self, index: int) -> torch.Tensor:
        """Rows of one item, [rows, tokens, width]."""
        return self.rows[self.starts[index] : self.starts[index + 1]]


def features_of(
    model: OmniDemoModel,
    pool: str,
    split: str,
    count: int,
    seed: int,
    folder: Path,
    *,
    spread: Spread = map,
    progress: Progress = silent,
) -> Features:
    """Features of `count` items; read from `folder` if they were computed before.

    Args:
        model: on the device that is to compute.
        pool: name in POOLS.
        split: "train", "evaluation", or "recorded" for people's voices.
        count: items.
        seed: of the items.
        folder: where features are kept.
        spread: what draws the media, `map` or that of a pool of processes.
        progress: told the items done.
    """
    kind = f"{model.config.image_size}-{model.config.frame_size}-{str(model.dtype).removeprefix('torch.')}"
    path = folder / f"{pool}-{split}-{count}-{seed}-{kind}.safetensors"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        rows, lengths, answers = _encode(model, pool, _items(pool, split, seed, count, model.config, spread), count, progress)
        sibling = path.with_suffix(".tmp")
        ends = torch.tensor([0, *lengths]).cumsum(0)
        save_file({"rows": rows, "starts": ends}, sibling, metadata={"answers": "|".join(answers)})
        sibling.replace(path)
    with safe_open(path, "pt", device=str(model.device)) as file:
        rows, starts = file.get_tensor("rows"), file.get_tensor("starts").tolist()
        return Features(POOLS[pool].modality, rows, starts, file.metadata()["answers"].split("|"))


def _items(pool, split, seed, count, config, spread) -> Iterator[tuple[np.ndarray, str]]:
    side = config.image_size if POOLS[pool].modality is Modality.IMAGE else config.frame_size
    return iter(spread(partial(draw_sized, pool, split, seed, side), range(count)))


@torch.inference_mode()
def _encode(model, pool, items, count, progress) -> tuple[torch.Tensor, list[int], list[str]]:
    modality, config, device = POOLS[pool].modality, model.config, model.device
    grid = config.image_grid if modality is Modality.IMAGE else config.frame_grid
    extractor = WhisperFeatureExtractor(feature_size=config.audio_config.num_mel_bins)
    size = 256 if device.type == "cuda" else 8
    rows, lengths, answers = [], [], []
    stage = f"encoding {pool} items"
    progress(stage, 0, count)
    while some := list(islice(items, size)):
        media = [medium for medium, _ in some]
        answers += [answer for _, answer in some]
        if modality is Modality.AUDIO:
            mels, mask = mel_features(media, extractor, str(device))
            hidden = model.audio_tower(mels.to(device, model.dtype)).last_hidden_state
            seconds = model._get_feat_extract_output_lengths(mask.sum(-1))
            clips = [clip[:, None] for clip in join_frames(hidden, seconds, config.audio_stack)]
            lengths += [len(clip) for clip in clips]
            rows.append(torch.cat(clips).half().cpu())
        else:
            lengths += [len(frames) for frames in media]
            pixels = torch.from_numpy(np.concatenate(media)).to(device)
            joined = [join_patches(_seen(model, part), grid) for part in pixels.split(size)]
            rows.append(torch.cat(joined).half().cpu())
        progress(stage, len(answers), count)
    return torch.cat(rows), lengths, answers


def _seen(model, pixels: torch.Tensor) -> torch.Tensor:
    return model.vision_tower(normalised(pixels).to(model.dtype)).last_hidden_state
