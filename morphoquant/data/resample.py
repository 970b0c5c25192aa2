"""Sound at another rate."""

import numpy as np

from morphoquant.data.sample import SAMPLE_RATE


def resampled(levels: np.ndarray, rate: int, wanted: int = SAMPLE_RATE) -> np.ndarray:
    """Sound at another rate by its Fourier coefficients: what the lower of the two rates can hold stays, the rest goes.

    Args:
        levels: float [samples].
        rate: of `levels`, in samples a second.
        wanted: rate of what is returned.

    Returns:
        float32 [samples], as long in seconds.
    """
    length = round(len(levels) * wanted / rate)
    if rate == wanted or not length:
        return levels.astype(np.float32)
    # The mirror image after it lets the end meet the beginning without a step, which would ring.
    coefficients = np.fft.rfft(np.concatenate([levels, levels[::-1]]))[: length + 1]
    turned = np.fft.irfft(coefficients, 2 * length)[:length]
    return (turned * (length / len(levels))).astype(np.float32)
