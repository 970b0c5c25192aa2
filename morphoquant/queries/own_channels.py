"""Whether the stored grids of a run are those of the input's own channels, which alone a capture has counted."""

from morphoquant.core.errors import StoreError
from morphoquant.core.plan import RunPlan
from morphoquant.store.run import Run

# Methods whose grids stand in the input's own channels; all others may scale, shift, reorder or mix them first. Stored grids say
# nothing of that, methods do: a test holds the names to what they say of themselves.
OWN_CHANNELS = ("rtn", "dabc", "mdqfo", "morphoquant", "morphomodal", "gptq", "llm_int8", "zeroquant", "easyquant", "qvlm")
_UNLESS = {"morphomodal": "fold"}  # a field that makes one of them scale the channels


def changing(plan: RunPlan) -> str | None:
    """The first part of the method that may change an input's channels before they are rounded; None if none does."""
    return next((name for name in str(plan.method).split("+") if not _stays(name, plan.fields)), None)


def in_own_channels(run: Run) -> Run:
    """`run` if its grids may be set against values of the input.

    Raises:
        StoreError: its method may round other channels than those that the capture holds.
    """
    method = changing(run.plan)
    if method is not None:
        raise StoreError(
            f"run {run.run_id!r} may round other channels than those of the input, since {method} can scale, reorder or mix "
            f"them first: choose a run of {', '.join(OWN_CHANNELS)}."
        )
    return run


def _stays(name: str, fields: dict) -> bool:
    field = _UNLESS.get(name)
    return name in OWN_CHANNELS and not (field and (fields.get(field) or fields.get(f"{name}.{field}")))
