"""Which runs may stand side by side in one figure, and under which names."""

from dataclasses import asdict

from morphoquant.core.errors import CompareError
from morphoquant.queries.compare import comparable, run_labels
from morphoquant.queries.sources import quantized
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

LEAST, MOST = 2, 4
_MAY_DIFFER = {"data", "seed"}


def quantized_beside(runs: list[Run]) -> dict[str, Run]:
    """Two to four quantize runs by name, in their order.

    Raises:
        CompareError: fewer or more, one twice, or two that differ in more than method, fields and spec.
        StoreError: no quantize run.
    """
    runs = comparable(_counted(quantized(runs)))
    return dict(zip(run_labels(runs), runs, strict=True))


def captures_beside(store: RunStore, runs: list[Run]) -> dict[str, Run]:
    """Two to four captures of one model by name, in their order; a quantize run stands for the capture it was fitted to.

    Raises:
        CompareError: fewer or more, one twice, runs that share a capture, or captures that differ in more than data and seed.
        UnknownNameError: the capture of a run is not in the store.
    """
    found = [run if run.plan.kind == "capture" else store.open(str(run.plan.capture)) for run in _counted(runs)]
    for place, run in enumerate(found):
        if run.run_id in [one.run_id for one in found[:place]]:
            raise CompareError(
                f"{runs[place].run_id!r} and another of these runs stand on one capture, {run.run_id!r}, so that their figures "
                "of it would be the same: choose captures of other data, or a view of quantised runs, such as layer_error."
            )
    for run in found[1:]:
        if name := _difference(found[0], run):
            raise CompareError(
                f"captures {found[0].run_id!r} and {run.run_id!r} differ in {name}: captures side by side may differ in data and "
                "seed only; choose captures of one model."
            )
    return dict(zip(_labels(found), found, strict=True))


def may_stand(first: Run, run: Run) -> bool:
    """Whether two captures may stand side by side."""
    return _difference(first, run) is None


def _counted(runs: list[Run]) -> list[Run]:
    names = [run.run_id for run in runs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise CompareError(f"run {twice!r} is named twice: choose {LEAST} to {MOST} different runs.")
    if not LEAST <= len(runs) <= MOST:
        raise CompareError(f"side by side stand {LEAST} to {MOST} runs, {len(runs)} {_are(runs)} chosen: choose that many.")
    return runs


def _are(runs: list[Run]) -> str:
    return "is" if len(runs) == 1 else "are"


def _difference(first: Run, run: Run) -> str | None:
    """Name of the first field in which the plans differ and must not."""
    for name, value in asdict(first.plan).items():
        other = getattr(run.plan, name)
        if name in _MAY_DIFFER or other == value:
            continue
        keys = sorted({*value, *other}) if isinstance(value, dict) else []
        return ".".join([name, *(key for key in keys if value.get(key) != other.get(key))][:2])
    return None


def _labels(captures: list[Run]) -> list[str]:
    """Data set, then samples and seed where the data set alone does not tell."""
    names = [str(run.plan.data.get("id", "capture")) for run in captures]
    longer = [
        f"{name}, {run.plan.data.get('samples')} samples, seed {run.plan.seed}" for name, run in zip(names, captures, strict=True)
    ]
    for labels in (names, longer):
        if len(set(labels)) == len(labels):
            return labels
    return [f"{label} ({run.run_id[-4:]})" for label, run in zip(longer, captures, strict=True)]
