"""The words of --model_args, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from morphoquant.core.errors import BatchError, ModelError, SpecError, UnknownNameError
from morphoquant.core.layers import Component
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import Method
from morphoquant.methods.options import parse_method
from morphoquant.runs.scope import parts_of
from morphoquant.store.place import folder_or_url, local_folder

SPEC, SCOPE = "w4a4", "language"  # as of `evaluate`
_IGNORED = ("max_batch_size",)  # lmms-eval's own word for looking for a batch size; nothing is looked for here
_COUNTS = ("batch_size", "max_new_tokens", "frames")


@dataclass(frozen=True)
class Arguments:
    """What is served.

    Attributes:
        pretrained: "demo", a hub id, or a folder.
        revision: branch, tag or commit of a hub id.
        trust_remote_code: run code that the repository brings.
        device: "cpu" or a torch device.
        cache: folder of the embedded model and of the runs, or the URL of an object store for the runs.
        capture: identifier of the capture run that the method is fitted to.
        method: method with its fields, absent for full precision.
        spec: quantisation spec; w4a4 where a method is given without one.
        scope: parts to quantise with "+" between them; "language" where a method is given without one.
        batch_size: rows of likelihoods that may share a forward; answers are generated one by one.
        max_new_tokens: of an answer, for tasks that do not say.
        frames: that a video file is read as, at most.
    """

    pretrained: str = "demo"
    revision: str | None = None
    trust_remote_code: bool = False
    device: str = "cpu"
    cache: str = "cache"
    capture: str | None = None
    method: str | None = None
    spec: str | None = None
    scope: str | None = None
    batch_size: int = 1
    max_new_tokens: int = 1024
    frames: int = 32

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> "Arguments":
        """The arguments as lmms-eval hands them over: text, or what it took for a number or a switch.

        Raises:
            MorphoQuantError: a word is unknown, cannot be read, or is given without another that it needs.
        """
        known = [field.name for field in fields(cls)]
        values: dict[str, Any] = {}
        for name, value in words.items():
            if name in _IGNORED or value is None:
                continue
            if name not in known:
                raise UnknownNameError("model argument", name, known)
            values[name] = _read(name, value)
        found = cls(**values)
        found.pair()
        return found

    def pair(self) -> tuple[Method, QuantSpec] | None:
        """The method and its spec, absent for full precision.

        Raises:
            ModelError: the method has no capture to be fitted to, or the scope is unknown.
            SpecError: the method cannot honour the spec, or something is said of a method that is not given.
        """
        if self.method is None:
            if idle := [name for name in ("capture", "spec", "scope") if getattr(self, name) is not None]:
                raise SpecError(
                    f"{' and '.join(idle)} without a method: nothing would be quantised, so add method=..., or leave it out."
                )
            return None
        if self.capture is None:
            raise ModelError(
                "a method is fitted to a capture: add capture=..., with an identifier of `python -m morphoquant runs`."
            )
        spec = QuantSpec.parse(self.spec or SPEC)
        method = parse_method(self.method, spec)
        method.check(spec)
        self.parts()
        return method, spec

    def parts(self) -> list[Component]:
        """Parts to quantise.

        Raises:
            ModelError: an unknown name.
        """
        return parts_of((self.scope or SCOPE).split("+"))

    @property
    def runs(self) -> Path | str:
        """Where the runs are: a folder, or a URL."""
        found = folder_or_url(self.cache)
        return found.expanduser() if isinstance(found, Path) else found

    @property
    def folder(self) -> Path:
        """The folder of the embedded model."""
        return local_folder(self.runs)


def _read(name: str, value: Any) -> Any:
    if name == "trust_remote_code":
        if not isinstance(value, bool):
            raise SpecError(f"trust_remote_code cannot be {value!r}: allowed are True and False.")
        return value
    if name in _COUNTS:
        if not str(value).isdecimal() or int(value) < 1:
            raise BatchError(f"{name} cannot be {value!r}: give a whole number of at least 1.")
        return int(value)
    # Quotes keep the commas of a method's fields together on lmms-eval's command line, which leaves them in place.
    return str(value).strip().strip("\"'")
