"""Imports every measure of this folder, so that the registries are full."""

import pkgutil
from importlib import import_module

import morphoquant.metrics as folder
from morphoquant.metrics.base import METRICS, SHAPES

for _file in pkgutil.iter_modules(folder.__path__):
    if _file.name != "catalog":
        import_module(f"{folder.__name__}.{_file.name}")

__all__ = ["METRICS", "SHAPES"]
