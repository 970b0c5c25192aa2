"""What the verbs check before any work: parts to quantise, and that a capture is of the model at hand."""

from collections.abc import Mapping, Sequence
from typing import Any

from morphoquant.core.errors import ModelError
from morphoquant.core.layers import Component
from morphoquant.store.run import Run


def parts_of(scope: Sequence[str]) -> list[Component]:
    """The components that `scope` names, in the order of `Component`.

    Raises:
        ModelError: an unknown name, or none at all.
    """
    known = [str(part) for part in Component]
    wrong = [part for part in scope if part not in known]
    if wrong or not scope:
        raise ModelError(f"unknown scope {', '.join(wrong) or '(empty)'}: allowed are {', '.join(known)}; give one or more.")
    return [part for part in Component if part in scope]


def check_model(capture: Run, identity: Mapping[str, Any]) -> None:
    """Refuses a capture of another model.

    Raises:
        ModelError: `capture` was not taken from the model of this identity.
    """
    if dict(identity) != capture.plan.model:
        raise ModelError(f"run {capture.run_id!r} was captured from another model than the one given: capture this model first.")
