"""Every error a user can cause. The message is one sentence: what is wrong, what is allowed, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class MorphoQuantError(Exception):
    """Base of all errors with a message meant for the user; the command line exits with 2 on it."""


class SpecError(MorphoQuantError):
    """A quantisation spec or a method's field that cannot be read or used."""


class ModelError(MorphoQuantError):
    """A model, its weights or its layers that cannot be used."""


class BatchError(MorphoQuantError):
    """A batch, sample or media file that cannot be used."""


class StoreError(MorphoQuantError):
    """A run folder, table or identifier that cannot be read or written."""


class UnreachableError(StoreError):
    """An object store that does not answer or refuses: nothing is known of what it holds, and nothing may be concluded."""


class LaunchError(MorphoQuantError):
    """Processes that were started in another number, or in another way, than the command needs."""


class CompareError(MorphoQuantError):
    """Runs that must not be put side by side."""


class MissingExtraError(MorphoQuantError, ImportError):
    """An optional package that is not installed.

    Args:
        package: its name.
        extra: the project's extra that brings it.
    """

    def __init__(self, package: str, extra: str):
        super().__init__(f"{package} is not installed: install it with the project's extra: pip install -e '.[{extra}]'.")


class UnknownNameError(MorphoQuantError):
    """A name that is not registered.

    Args:
        kind: what the name stands for, such as "method".
        name: the name as given.
        known: all names that are allowed.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = sorted(known)
        near = get_close_matches(name, known, n=1)
        hint = f" did you mean {near[0]!r}?" if near else ""
        listed = ", ".join(known[:20]) + (f", ... ({len(known)} in all)" if len(known) > 20 else "")
        super().__init__(f"unknown {kind} {name!r}:{hint} known are {listed or 'none'}.")
