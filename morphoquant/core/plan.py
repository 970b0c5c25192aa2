"""RunPlan: everything that decides a run's numbers. Equal plans have equal identifiers and never run twice."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunPlan:
    """The canonical description of a run; `run_id` is its hash.

    Attributes:
        kind: "capture", "gradients", "quantize", "evaluate", "sensitivity" or "inspect".
        model: {"id", "revision", "class", "files": {file name: sha256}} of the model.
        data: {"id", "fingerprint", "samples"} of the samples that are run through the model.
        options: fields of the verb (kept rows, bins, scope ...).
        seed: of every random choice.
        code: version of the engine that computes the numbers.
        capture: run_id of the capture that the method was fitted to or the gradients are for, absent for a capture and in full
            precision.
        method: registered name of the method, likewise absent.
        fields: the method's fields by name; "control": false for full precision that was not asked with exchanged media.
        spec: quantisation spec as text, likewise absent.
    """

    kind: str
    model: dict[str, Any]
    data: dict[str, Any]
    options: dict[str, Any]
    seed: int
    code: str
    capture: str | None = None
    method: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    spec: str | None = None

    def canonical(self) -> str:
        """JSON with sorted keys and no spaces; NaN is refused."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def run_id(self) -> str:
        """kind (unless quantize), method and spec for the eye, then 12 hex digits of the sha256 of `canonical()`.

        Combined methods have a hyphen between their names, since folders and addresses take no "+".
        """
        digest = hashlib.sha256(self.canonical().encode()).hexdigest()[:12]
        words = [] if self.kind == "quantize" else [self.kind]
        words += [] if self.method is None else [self.method.replace("+", "-"), str(self.spec)]
        return "-".join([*words, digest])

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunPlan":
        """Inverse of `dataclasses.asdict`."""
        return cls(**values)
