"""Black or white words on coloured cells: whichever is told from the cell's colour more easily."""

import numpy as np
from plotly.colors import sample_colorscale, unlabel_rgb

BLACK, WHITE = "#000000", "#FFFFFF"


def readable_inks(values: np.ndarray, scale: list, low: float, high: float) -> np.ndarray:
    """The ink of each cell; its contrast is at least 4.5 on any colour, which WCAG 2.2 (1.4.3) asks for.

    Args:
        values: of the cells, in any shape; beyond the scale they have the colour of its end, and NaN has black.
        scale: the colours.
        low: value of the first colour.
        high: value of the last colour.

    Returns:
        "#000000" or "#FFFFFF" for each cell, in the shape of `values`.
    """
    places = np.nan_to_num((values - low) / ((high - low) or 1.0), nan=1.0).clip(0.0, 1.0)
    colours = sample_colorscale(scale, places.ravel().tolist())
    light = np.array([luminance(unlabel_rgb(colour)) for colour in colours]).reshape(values.shape)
    # (1 + 0.05) / (light + 0.05) for white, (light + 0.05) / 0.05 for black.
    return np.where(np.isnan(values) | ((light + 0.05) ** 2 >= 1.05 * 0.05), BLACK, WHITE)


def luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of red, green and blue of 0 to 255, 0 for black and 1 for white.

    Source: WCAG 2.2, definition of relative luminance.
    """
    parts = np.array(colour) / 255.0
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
