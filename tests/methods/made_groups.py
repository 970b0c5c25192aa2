"""Groups to fit: every kind of channel, two linears that share the input, a weighted sample."""

import numpy as np
import torch

from morphoquant.core.layers import Component
from morphoquant.core.modality import MODALITIES, Modality, Position, slot
from morphoquant.methods.base import ChannelSummary, GroupInputs, TokenSample

CHANNELS = 32


def draw(rows: int = 200, channels: int = CHANNELS, seed: int = 0) -> np.ndarray:
    """Rows with tails, a dispersed channel, one-signed, zero-edged, constant and empty ones, float32 [rows, channels]."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(4, (rows, channels)) * rng.lognormal(0, 0.3, channels)
    x[:, 1] = np.abs(x[:, 1]) + 2
    x[:, 2] = -np.abs(x[:, 2]) - 0.5
    x[:, 3] = np.maximum(x[:, 3], 0)
    x[:, 4] = np.minimum(x[:, 4], 0)
    x[:, 5] = 1.75
    x[:, 6] = 0
    x[:, 7] *= np.where(rng.random(rows) < 0.03, 80, 0.1)
    x[0, 7], x[1, 7] = 60, -25
    x[:, 8] = np.maximum(x[:, 8], 0) * np.where(rng.random(rows) < 0.05, 60, 0.1)
    x[0, 8] = 70
    return x.astype(np.float32)


def summarise(x: np.ndarray, slots: np.ndarray | None = None) -> ChannelSummary:
    """What a capture would have measured."""
    x = x.astype(np.float64)
    if not len(x):
        zeros = np.zeros(x.shape[1])
        return ChannelSummary(zeros, zeros, zeros, zeros, zeros, zeros)
    parts = {}
    if slots is not None:
        for label in np.unique(slots):
            parts[MODALITIES[label // 2]] = summarise(x[slots == label])
    count = np.full(x.shape[1], float(len(x)))
    return ChannelSummary(count, x.min(0), x.max(0), np.abs(x).mean(0), x.mean(0), x.var(0) * len(x), parts)


def group(
    x: np.ndarray, modalities=(Modality.TEXT, Modality.IMAGE, Modality.AUDIO), role: str = "q_proj", keep: int | None = None
):
    """Inputs of a group of two linears; `keep` bounds the sample's rows."""
    labels = np.array([slot(modality, Position.REST) for modality in modalities], np.int8)
    slots = labels[np.arange(len(x)) % len(labels)]
    weights = {
        f"layers.0.{leaf}": torch.randn(rows, x.shape[1], generator=torch.Generator().manual_seed(rows))
        for leaf, rows in ((role, 8), ("other", 4))
    }
    stand_for = np.where(slots == labels[0], 2.0, 1.0)
    sample = TokenSample(*(torch.from_numpy(part[:keep]) for part in (x, slots, stand_for)))
    rho = {Modality.IMAGE: 0.2, Modality.VIDEO: 0.1, Modality.AUDIO: 0.5}
    return GroupInputs(f"layers.0.{role}", Component.LANGUAGE, 0, role, weights, summarise(x, slots), sample, rho)
