"""What a golden set holds on disk: tensors by name, and how they were recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


class Recording:
    """Tensors of one safetensors file; remembers which of them were asked for."""

    def __init__(self, file: Path, device: torch.device | str = "cpu") -> None:
        """Read the file.

        Raises:
            FileNotFoundError: It is missing.
            ValueError: It is damaged.
        """
        self.file = existing(file)
        try:
            self._tensors = load_file(file, str(device))
        except SafetensorError as error:
            raise ValueError(f"{file} is damaged ({error}). Copy or download it again.") from error
        self._unread = dict.fromkeys(sorted(self._tensors))

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor.

        Raises:
            ValueError: There is none of this name.
        """
        if name not in self._tensors:
            raise ValueError(
                f"{self.file} lacks tensor '{name}'. A set is compared completely or not at all: "
                "record it again, or copy all of it."
            )
        self._unread.pop(name, None)
        return self._tensors[name]

    def array(self, name: str) -> np.ndarray:
        """Return a tensor as numpy's array; see `__getitem__`."""
        array: np.ndarray = self[name].numpy()
        return array

    def below(self, prefix: str) -> list[str]:
        """List what follows a prefix in the names that begin with it."""
        return [name[len(prefix) :] for name in sorted(self._tensors) if name.startswith(prefix)]

    @property
    def unread(self) -> list[str]:
        """Names that nobody has asked for."""
        return list(self._unread)


class Manifest(dict[str, Any]):
    """A JSON object of a set; a key that it lacks is an error that names the file."""

    def __init__(self, file: Path, values: dict[str, Any]) -> None:
        super().__init__(values)
        self._file = file

    def __missing__(self, key: str) -> Any:
        """Name what is missing."""
        raise ValueError(
            f"{self._file} lacks '{key}'; a set says there how it was recorded. Copy it again."
        )


def read_manifest(file: Path) -> Manifest:
    """Read a JSON file whose objects name the keys that they lack.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It is no JSON object.
    """
    text = existing(file).read_text(encoding="utf-8")
    try:
        values = json.loads(text, object_hook=lambda found: Manifest(file, found))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}). Copy or download it again.") from error
    if not isinstance(values, Manifest):
        raise ValueError(f"{file} holds no JSON object. Copy or download it again.")
    return values


def existing(file: Path) -> Path:
    """Return a file of a set.

    Raises:
        FileNotFoundError: It is missing.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist, and its set needs it; config/golden/README.md lists the files."
        )
    return file
