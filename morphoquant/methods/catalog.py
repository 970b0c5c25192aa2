"""Imports every method of this folder, so that the registry is full."""

import pkgutil
from importlib import import_module

import morphoquant.methods as folder
from morphoquant.methods.base import METHODS

for _file in pkgutil.iter_modules(folder.__path__):
    if not _file.ispkg and _file.name not in ("catalog", "options"):
        import_module(f"{folder.__name__}.{_file.name}")

__all__ = ["METHODS"]
