"""A group's inputs by modality, for methods that treat modalities differently.

Images, video and audio have statistics of their own. Everything else, template tokens and rows of unknown origin among it,
counts as text.
"""

import numpy as np
import torch

from morphoquant.core.modality import Modality, unslot
from morphoquant.methods.base import ChannelSummary, GroupInputs, TokenSample

OWN = (Modality.IMAGE, Modality.VIDEO, Modality.AUDIO)


def family(modality: Modality) -> Modality:
    """The modality itself if it is one of `OWN`, else text."""
    return modality if modality in OWN else Modality.TEXT


def families(summary: ChannelSummary) -> dict[Modality, ChannelSummary]:
    """Statistics of text and of each of `OWN`, of those that are present."""
    members: dict[Modality, list[ChannelSummary]] = {}
    for modality, part in summary.by_modality.items():
        members.setdefault(family(modality), []).append(part)
    return {modality: _pooled(members[modality]) for modality in (Modality.TEXT, *OWN) if modality in members}


def sampled(sample: TokenSample) -> dict[Modality, TokenSample]:
    """The rows of text and of each of `OWN`, of those that are present."""
    of = {label: family(unslot(label)[0]) for label in sample.slots.unique().tolist()}
    found = {}
    for modality in (Modality.TEXT, *OWN):
        labels = [label for label, one in of.items() if one is modality]
        if labels:
            keep = torch.isin(sample.slots, torch.tensor(labels, dtype=sample.slots.dtype))
            found[modality] = TokenSample(sample.x[keep], sample.slots[keep], sample.weights[keep])
    return found


def apart(inputs: GroupInputs, *, sample: bool) -> dict[Modality, GroupInputs]:
    """The group as it is to text and to each of `OWN`, of those that are present, as if there were no other.

    Args:
        inputs: the group.
        sample: whether the token sample is wanted.
    """
    rows = sampled(inputs.sample) if sample else {}
    none = TokenSample(inputs.sample.x[:0], inputs.sample.slots[:0], inputs.sample.weights[:0]) if sample else None
    named = inputs.group, inputs.component, inputs.block, inputs.role, inputs.weights
    return {one: GroupInputs(*named, part, rows.get(one, none)) for one, part in families(inputs.summary).items()}


def _pooled(parts: list[ChannelSummary]) -> ChannelSummary:
    if len(parts) == 1:
        return parts[0]
    count = sum(part.count for part in parts)
    some = np.maximum(count, 1)
    mean = sum(part.mean * part.count for part in parts) / some
    m2 = sum(part.m2 + part.count * np.square(part.mean - mean) for part in parts)
    low = np.min([np.where(part.count > 0, part.min, np.inf) for part in parts], 0)
    high = np.max([np.where(part.count > 0, part.max, -np.inf) for part in parts], 0)
    mean_abs = sum(part.mean_abs * part.count for part in parts) / some
    seen = count > 0
    return ChannelSummary(count, np.where(seen, low, 0.0), np.where(seen, high, 0.0), mean_abs, mean, m2)
