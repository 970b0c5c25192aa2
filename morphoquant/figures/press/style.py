"""The paper's own style: small sans-serif type, thin lines, fonts embedded as Type 42."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import rc_context

_LOCK = threading.Lock()
_SIZE = {"single": 7.0, "double": 8.0}


@contextmanager
def style(width: str) -> Iterator[None]:
    """Matplotlib's settings for the block. They are the process's own, so that one thread at a time may hold them."""
    size = _SIZE[width]
    settings = {
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "morphoquant",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "mathtext.fontset": "dejavusans",
        "font.size": size,
        "axes.titlesize": size,
        "axes.labelsize": size,
        "xtick.labelsize": size - 1,
        "ytick.labelsize": size - 1,
        "legend.fontsize": size - 0.5,
        "axes.linewidth": 0.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.linewidth": 0.4,
        "grid.color": "#D9D9D9",
        "xtick.major.width": 0.5,
        "ytick.major.width": 0.5,
        "xtick.minor.width": 0.3,
        "ytick.minor.width": 0.3,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.minor.size": 1.5,
        "ytick.minor.size": 1.5,
        "hatch.linewidth": 0.5,
        "hatch.color": "white",
        "legend.handlelength": 1.8,
        "figure.constrained_layout.h_pad": 0.03,
        "figure.constrained_layout.w_pad": 0.03,
    }
    with _LOCK, rc_context(settings):
        yield
