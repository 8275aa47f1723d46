"""safetensors files, read and written one tensor at a time; nothing is ever unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pi0_ros.model.stored.tensor_source import READABLE, StoredTensor, check_finite

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = WEIGHTS_FILE + ".index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class TensorFiles:
    """A `TensorSource` of one safetensors file, or of several that share one index.

    Attributes:
        place: The file or directory.
        tensors: What is stored, by name.
        metadata: Texts that the writers left in the headers.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Look at the headers; no tensor is read.

        Args:
            path: A safetensors file, or a directory with ``model.safetensors`` or
                ``model.safetensors.index.json`` and the files it names.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: A file is damaged, contradicts the index, or is no safetensors file.
        """
        self.place = str(path)
        self.tensors: dict[str, StoredTensor] = {}
        self.metadata: dict[str, str] = {}
        self._files: dict[str, Path] = {}
        for file, promised in _find(Path(path)).items():
            self._look_at(file, promised)

    def read(self, names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Read tensors in their order in the files; see `TensorSource`."""
        for name, path in self._files.items():
            if name in names:
                # The pages of a map stay in memory until it is closed, so each tensor has its own.
                with _open(path) as file:
                    tensor: Tensor = file.get_tensor(name)
                check_finite(str(path), name, tensor)
                yield name, tensor
                del tensor

    def _look_at(self, path: Path, promised: set[str] | None) -> None:
        with _open(path) as file:
            names = file.offset_keys()
            missing = (promised or set()) - set(names)
            if missing:
                raise ValueError(
                    f"{path} lacks {len(missing)} tensors that {INDEX_FILE} says it holds, for "
                    f"example {min(missing)}. Copy or download the directory again."
                )
            self.metadata |= file.metadata() or {}
            for name in names:
                if name in self._files:
                    raise ValueError(
                        f"tensor '{name}' is both in {self._files[name]} and in {path}. Remove "
                        "the file that does not belong here."
                    )
                part = file.get_slice(name)
                self._files[name] = path
                self.tensors[name] = StoredTensor(tuple(part.get_shape()), part.get_dtype())


def write_tensors(
    file: Path,
    layout: Mapping[str, StoredTensor],
    tensors: Iterable[tuple[str, Tensor]],
    metadata: Mapping[str, str],
) -> None:
    """Write a safetensors file tensor by tensor, so that a model need not fit into memory twice.

    A reader never meets a half-written file: it gets its name when it is complete.

    Args:
        file: The file.
        layout: Shape and type of each tensor, by name; types as in `READABLE`.
        tensors: Values in any order, each once; they are converted to the type of the layout.
        metadata: Texts for the header.

    Raises:
        ValueError: A tensor is missing, comes twice, is not in the layout or has another shape.
    """
    header, places = _header(layout, metadata)
    left = dict(layout)
    part = file.with_name(file.name + ".part")
    with part.open("wb") as out:
        out.write(header)
        for name, tensor in tensors:
            wanted = left.pop(name, None)
            if wanted is None or wanted.shape != tuple(tensor.shape):
                raise ValueError(
                    f"tensor '{name}' of shape {tuple(tensor.shape)} does not fit into {file}: "
                    f"{'it is not expected, or came before' if wanted is None else wanted.shape}."
                )
            out.seek(len(header) + places[name])
            values = tensor.detach().to("cpu", READABLE[wanted.dtype])
            out.write(values.reshape(-1).view(torch.uint8).numpy().data)
        if left:
            raise ValueError(f"{len(left)} tensors of {file} got no values, e.g. {min(left)}.")
    os.replace(part, file)


def _header(
    layout: Mapping[str, StoredTensor], metadata: Mapping[str, str]
) -> tuple[bytes, dict[str, int]]:
    """Compose a file's first bytes, and say where after them each tensor begins.

    Source: the safetensors format; a multiple of 8 bytes, and wide types first, keep all aligned.
    """
    entries: dict[str, object] = {"__metadata__": dict(metadata)}
    places: dict[str, int] = {}
    end = 0
    for name, stored in sorted(layout.items(), key=lambda entry: entry[1].dtype != "F32"):
        start, size = end, READABLE[stored.dtype].itemsize
        for extent in stored.shape:
            size *= extent
        end = start + size
        places[name] = start
        entry = {"dtype": stored.dtype, "shape": stored.shape, "data_offsets": [start, end]}
        entries[name] = entry
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, places


def _find(path: Path) -> dict[Path, set[str] | None]:
    """Find the files of a checkpoint, each with the tensors that an index promises."""
    if path.is_file():
        _refuse_pickle(path)
        return {path: None}
    if (path / WEIGHTS_FILE).is_file():
        return {path / WEIGHTS_FILE: None}
    if (path / INDEX_FILE).is_file():
        return _read_index(path / INDEX_FILE)
    for file in sorted(path.iterdir()) if path.is_dir() else ():
        _refuse_pickle(file)
    what = f"holds neither {WEIGHTS_FILE} nor {INDEX_FILE}" if path.is_dir() else "does not exist"
    raise FileNotFoundError(
        f"{path} {what}; weights are read from safetensors files. Check the path."
    )


def _read_index(index: Path) -> dict[Path, set[str] | None]:
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        promised: dict[Path, set[str] | None] = {}
        for name, file in names.items():
            if Path(file).name != file:
                raise ValueError(f"'{file}' is not the name of a file beside it")
            entry = promised.setdefault(index.parent / file, set())
            assert entry is not None
            entry.add(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{index} does not say which file holds which tensor ({error}). Download it again."
        ) from error
    missing = [str(file) for file in promised if not file.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of the {len(promised)} files that {index} names are missing: "
            f"{', '.join(missing[:8])}. Download them, too."
        )
    return promised


def _refuse_pickle(file: Path) -> None:
    if file.suffix in PICKLES:
        raise ValueError(
            f"{file} is a pickle: reading one runs whatever program is hidden in it, so it is "
            f"never opened. Ask for safetensors, or load it where you trust it and write "
            f"{WEIGHTS_FILE} with safetensors.torch.save_model."
        )


def _open(path: Path) -> safe_open:
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a complete safetensors file ({error}). Copy or download it again."
        ) from error
