"""Connectors: from features of an encoder to embeddings of the language model.

Each is a two-layer MLP and a LayerNorm whose gain starts at the root mean square of the word embeddings, so that media tokens
enter the language model at the size that it is used to. Neighbouring patches, or frames of sound, are joined into one token.
"""

import torch
from torch import nn

MERGE = 2  # patches along a side that are joined, not averaged, into one token


class OmniDemoProjector(nn.Module):
    """MLP and LayerNorm from joined encoder features to one embedding a token.

    Args:
        in_features: channels of the joined features.
        width: hidden channels.
        out_features: channels of the language model.
    """

    def __init__(self, in_features: int, width: int, out_features: int):
        super().__init__()
        self.input_norm = nn.LayerNorm(in_features)
        self.linear_1 = nn.Linear(in_features, width)
        self.act = nn.GELU()
        self.linear_2 = nn.Linear(width, out_features)
        self.norm = nn.LayerNorm(out_features)

    def forward(self, features: torch.Tensor, order: torch.Tensor | None = None) -> torch.Tensor:
        """[..., in_features] -> [..., out_features]; `order` [..., width] is added before the activation."""
        hidden = self.linear_1(self.input_norm(features))
        hidden = self.act(hidden if order is None else hidden + order)
        return self.norm(self.linear_2(hidden))


def join_patches(features: torch.Tensor, grid: int) -> torch.Tensor:
    """Patches to grid x grid tokens: averaged to twice that grid, then 2 x 2 neighbours joined, and the class token beside.

    Args:
        features: [images, 1 + patches, width], the class token first; patches are a square number.
        grid: tokens along a side.

    Returns:
        [images, grid * grid, 5 * width].
    """
    images, count, width = features.shape
    side = int((count - 1) ** 0.5)
    patches = features[:, 1:].transpose(1, 2).reshape(images, width, side, side)
    cells = nn.functional.adaptive_avg_pool2d(patches, MERGE * grid)
    cells = cells.reshape(images, width, grid, MERGE, grid, MERGE).permute(0, 2, 4, 3, 5, 1)
    joined = cells.reshape(images, grid * grid, MERGE * MERGE * width)
    return torch.cat([joined, features[:, :1].expand(-1, grid * grid, -1)], dim=-1)


def join_frames(features: torch.Tensor, lengths: torch.Tensor, stack: int) -> list[torch.Tensor]:
    """Encoder frames that lie in real sound, `stack` of them joined into a token; a last part is filled with zeros.

    Args:
        features: [clips, frames, width].
        lengths: [clips] frames of real sound.
        stack: frames a token.

    Returns:
        For each clip [ceil(length / stack), stack * width].
    """
    tokens = []
    for clip, length in zip(features, lengths.tolist(), strict=True):
        real = clip[:length]
        real = nn.functional.pad(real, (0, 0, 0, -length % stack))
        tokens.append(real.reshape(-1, stack * clip.shape[-1]))
    return tokens
