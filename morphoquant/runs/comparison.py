"""Many methods on one footing: as many at once as the memory holds, and one that fails leaves the others whole."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import psutil
from torch import nn

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import Method
from morphoquant.store.run import Run

Pair = tuple[Method, QuantSpec]
# Share of the free memory that quantised weights may take, if no two methods' are equal, of which one is held; many are. The
# rest is for the forward passes and their statistics.
_SHARE = 0.7


@dataclass(frozen=True)
class Failure:
    """A method that could not be fitted or measured.

    Attributes:
        method: its name.
        spec: of the attempt.
        reason: one sentence.
    """

    method: str
    spec: str
    reason: str


def each(pairs: Sequence[Pair], make: Callable[[Sequence[Pair]], list[Run]], together: int) -> tuple[list[Run], list[Failure]]:
    """Makes the runs of all pairs, `together` at a time; where some fail, each of them by itself.

    Args:
        pairs: methods and specs.
        make: (pairs) -> their runs, in order; what it has in the cache it does not do again.
        together: pairs at once, 1 or more.

    Returns:
        The runs, in the order of `pairs` without those that failed, and the failures.
    """
    runs: list[Run] = []
    failures: list[Failure] = []
    for begin in range(0, len(pairs), together):
        some = pairs[begin : begin + together]
        try:
            runs += make(some)
        except MorphoQuantError as error:
            if len(some) > 1:
                found = each(some, make, 1)
                runs += found[0]
                failures += found[1]
            else:
                ((method, spec),) = some
                failures.append(Failure(method.name, str(spec), str(error)))
    return runs, failures


def honoured(pairs: Iterable[Pair]) -> tuple[list[Pair], list[Failure]]:
    """The pairs whose method can honour its spec, and the others."""
    fine, failures = [], []
    for method, spec in pairs:
        try:
            method.check(spec)
        except MorphoQuantError as error:
            failures.append(Failure(method.name, str(spec), str(error)))
        else:
            fine.append((method, spec))
    return fine, failures


def together(model: nn.Module, free: int | None = None) -> int:
    """How many methods' weights of `model` the machine has room for, at least 1.

    Args:
        model: all of its linears count, though a scope may leave some out.
        free: bytes; absent: what the system says is available.
    """
    weights = sum(one.weight.numel() * 4 for one in model.modules() if isinstance(one, nn.Linear))
    available = psutil.virtual_memory().available if free is None else free
    return max(1, int(_SHARE * available / max(weights, 1)))
