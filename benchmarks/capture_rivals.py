"""What a forward can be made to record: nothing, all that MorphoQuant keeps, and what other calibrations' hooks keep.

Each watcher is opened around forwards of a model and adds up the time that its own recording takes in them. Those of others
are hooked to every linear, as their users do it; MorphoQuant's hooks hand an input over once for all linears that share it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numba
import numpy as np
import torch
from torch import Tensor, nn
from torch.ao.quantization import HistogramObserver

from morphoquant.hooks.collector import Collector
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.stats.threads import use_threads


class Bare:
    """Records nothing.

    Attributes:
        name: in the table.
        seconds: spent recording so far; hooks, labels and Python around it left out.
        values: recorded so far, each as often as it was.
    """

    name = "bare forward"

    def __init__(self):
        self.seconds, self.values = 0.0, 0

    @contextmanager
    def open(self, model: nn.Module) -> Iterator[Callable]:
        """Gives a function of a batch: a forward, after which everything is recorded."""

        def forward(batch):
            with torch.no_grad():
                model(**batch)

        yield forward

    def timed(self, x: Tensor, record: Callable[[], object]) -> None:
        """Records and adds up time and values."""
        start = time.perf_counter()
        record()
        self.seconds += time.perf_counter() - start
        self.values += x.numel()


class Floor(Bare):
    """Reads every activation once and keeps a sum of its bits: less is not possible without sampling."""

    name = "reading once"

    @contextmanager
    def open(self, model: nn.Module) -> Iterator[Callable]:
        """As in Bare."""
        with ModalityHooks(model, self) as hooks:
            yield hooks.run

    def on_input(self, group, module, x, slots, keys) -> None:
        """As in `hooks.Observer`."""
        use_threads()
        self.timed(x, lambda: _sum(x.contiguous().view(torch.int64).numpy().reshape(-1)))


class Capture(Bare):
    """All rows and channels: counts, extremes, moments, histograms, largest magnitudes, sampled rows, by slot."""

    name = "MorphoQuant capture"

    def __init__(self):
        super().__init__()
        self.collector = Collector()

    @contextmanager
    def open(self, model: nn.Module) -> Iterator[Callable]:
        """As in Bare."""
        with ModalityHooks(model, self) as hooks:

            def forward(batch):
                hooks.run(batch)
                start = time.perf_counter()
                self.collector.flush()
                self.seconds += time.perf_counter() - start

            yield forward

    def on_input(self, group, module, x, slots, keys) -> None:
        """As in `hooks.Observer`."""
        self.timed(x, lambda: self.collector.on_input(group, module, x, slots, keys))


class EachLinear(Bare):
    """Hooks every linear's input."""

    @contextmanager
    def open(self, model: nn.Module) -> Iterator[Callable]:
        """As in Bare."""
        with ExitStack() as stack, super().open(model) as forward:
            for name, module in model.named_modules():
                if isinstance(module, nn.Linear):
                    stack.callback(module.register_forward_pre_hook(self._hook(name)).remove)
            yield forward

    def _hook(self, name: str):
        return lambda module, args: self.timed(args[0], lambda: self.record(name, args[0].detach()))

    def record(self, name: str, x: Tensor) -> None:
        """Records the input [..., K] of the linear `name`."""
        raise NotImplementedError


class Histogram(EachLinear):
    """torch's HistogramObserver: one histogram a tensor, no channels, no modalities."""

    name = "HistogramObserver"

    def __init__(self):
        super().__init__()
        self.observers: dict[str, HistogramObserver] = {}

    def record(self, name: str, x: Tensor) -> None:
        """Widens bfloat16, of which torch's histc makes no histogram on the CPU."""
        self.observers.setdefault(name, HistogramObserver())(x.float())


class Absmax(EachLinear):
    """Largest magnitude of each channel, as SmoothQuant's and AWQ's scripts take it: no histogram, no modalities."""

    name = "absmax a channel"

    def __init__(self):
        super().__init__()
        self.largest: dict[str, Tensor] = {}

    def record(self, name: str, x: Tensor) -> None:
        """Keeps the larger of before and now."""
        found = x.reshape(-1, x.shape[-1]).abs().amax(0).float()
        self.largest[name] = torch.maximum(self.largest.get(name, found), found)


WATCHERS = (Floor, Absmax, Histogram, Capture)


@numba.njit(parallel=True, nogil=True, cache=True)
def _sum(words):
    total = np.int64(0)
    for i in numba.prange(len(words)):
        total += words[i]
    return total
