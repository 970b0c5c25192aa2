"""Quantised weights in files: they are mapped into memory where they are used, and the system may take their pages back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from morphoquant.runs.identity import tensor_bytes
from morphoquant.store.atomic import explained


@dataclass(frozen=True)
class WeightFile:
    """A tensor in a file of its own.

    Attributes:
        path: of the file, which holds the values and nothing else.
        shape: of the tensor.
        dtype: of its values.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, weight: Tensor, folder: Path) -> "WeightFile":
        """Writes a weight to a new file in `folder`.

        Raises:
            StoreError: the disk is full.
        """
        path = folder / f"{sum(1 for _ in folder.iterdir()):06d}.weight"
        with explained(path):
            path.write_bytes(tensor_bytes(weight))
        return cls(path, tuple(weight.shape), weight.dtype)

    def mapped(self) -> Tensor:
        """The tensor; what is written to it is not written to the file."""
        size = torch.Size(self.shape).numel()
        return torch.from_file(str(self.path), shared=False, size=size, dtype=self.dtype).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Spilled(Mapping[str, Tensor]):
    """Weights by layer, each mapped anew whenever it is asked for; tensors among them are handed on."""

    files: Mapping[str, WeightFile | Tensor]

    def __getitem__(self, layer: str) -> Tensor:
        found = self.files[layer]
        return found if isinstance(found, Tensor) else found.mapped()

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)
