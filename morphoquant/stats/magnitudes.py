"""The exact values of largest magnitude of a channel, kept as sortable integers.

A float32's bits shifted left by one drop the sign, which comes back, inverted, as the lowest bit: such keys order by
magnitude and, where magnitudes tie, put the positive value first. The order is total, so the k largest of a whole are
exactly those of its parts. An empty place is 0; how many places are filled follows from the count of finite values.
"""

import numpy as np

LARGEST = 8


def keys_of(values: np.ndarray) -> np.ndarray:
    """uint32 keys of float32 values."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return (bits << np.uint32(1)) | (np.uint32(1) - (bits >> np.uint32(31)))


def values_of(keys: np.ndarray) -> np.ndarray:
    """Inverse of `keys_of`."""
    sign = np.uint32(1) - (keys & np.uint32(1))
    return ((keys >> np.uint32(1)) | (sign << np.uint32(31))).view(np.float32)


def join(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The LARGEST keys of both, descending, along the last axis."""
    both = np.sort(np.concatenate([one, other], axis=-1), axis=-1)
    return both[..., : -LARGEST - 1 : -1].copy()
