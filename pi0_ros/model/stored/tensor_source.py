"""Stored tensors: what can be known without reading them, and reading them one at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

# Types that weights are read from, by safetensors' names for them. Integers and 8-bit floats need
# scales that these files do not hold.
READABLE = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


@dataclass(frozen=True)
class StoredTensor:
    """Shape of a stored tensor, and the name of its type."""

    shape: tuple[int, ...]
    dtype: str


class TensorSource(Protocol):
    """Where weights are read from."""

    @property
    def place(self) -> str:
        """What errors call the source."""

    @property
    def tensors(self) -> Mapping[str, StoredTensor]:
        """What is stored, by name."""

    def read(self, names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Read tensors, each once, in whatever order the source is quickest.

        A tensor is valid until the next one is asked for: only so few of them are in memory.

        Raises:
            ValueError: The source is damaged, or a tensor holds NaN or infinity.
        """


def check_finite(place: str, name: str, tensor: Tensor) -> None:
    """Refuse a tensor that holds NaN or infinity.

    Raises:
        ValueError: It does; the message says how many.
    """
    # The extremes are NaN where an entry is; unlike `isfinite` they need no memory and no time.
    if not torch.stack(tensor.aminmax()).isfinite().all():
        bad = int((~tensor.isfinite()).sum())
        raise ValueError(
            f"{place}: {bad} of {tensor.numel()} entries of {name} are NaN or infinite. The "
            "training that wrote it diverged, or the file is damaged; use another checkpoint."
        )
