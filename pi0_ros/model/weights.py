"""Checkpoints: a directory with `config.json` and `model.safetensors`, read strictly.

A tensor that is missing, unexpected or mis-shaped is an error, and nothing is ever unpickled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.names import is_unused, stored_name
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.precision import check_dtype, parameter_dtype

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
LISTED = 8  # names that an error spells out; the rest is counted


def save(model: Pi0, directory: str | os.PathLike[str]) -> None:
    """Write a model's sizes and weights to a directory, creating it if need be."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CONFIG_FILE).write_text(model.config.to_json(), encoding="utf-8")
    # A reader never meets a half-written file.
    part = directory / (WEIGHTS_FILE + ".part")
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, part, metadata={"format": "pt"})
    os.replace(part, directory / WEIGHTS_FILE)


def load(
    directory: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Pi0:
    """Read a model that `save` wrote.

    Args:
        directory: Where `config.json` and `model.safetensors` lie.
        device: Where the parameters go.
        dtype: float32 or bfloat16; see `precision.parameter_dtype` for what stays in float32.

    Returns:
        The model, in evaluation mode.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or the tensors do not fit the configuration.
    """
    config_file = Path(directory) / CONFIG_FILE
    _check_exists(config_file)
    config = Pi0Config.from_json(config_file.read_text(encoding="utf-8"))
    file = Path(directory) / WEIGHTS_FILE
    return _read(config, file, lambda name, stored: name, lambda name: False, device, dtype)


def load_openpi(
    file: str | os.PathLike[str],
    config: Pi0Config,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Pi0:
    """Read a `model.safetensors` that openpi or LeRobot wrote.

    Args:
        file: The safetensors file.
        config: Sizes of the model in it; openpi's file does not say them.
        device: Where the parameters go.
        dtype: float32 or bfloat16; see `precision.parameter_dtype` for what stays in float32.

    Returns:
        The model, in evaluation mode.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is damaged, or its tensors do not fit the configuration.
    """

    def find(name: str, stored: set[str]) -> str:
        return stored_name(name, config.variant, stored)

    return _read(config, Path(file), find, is_unused, device, dtype)


def _read(
    config: Pi0Config,
    file: Path,
    find: Callable[[str, set[str]], str],
    may_stay: Callable[[str], bool],
    device: str | torch.device,
    dtype: torch.dtype,
) -> Pi0:
    """Build a model and fill each parameter from the tensor that `find` names.

    `may_stay` says which tensors of the file nobody needs.
    """
    check_dtype(dtype)
    _check_exists(file)
    model = Pi0(config)
    try:
        with safe_open(file, framework="pt", device=str(device)) as tensors:
            stored = set(tensors.keys())
            shapes = {name: tuple(tensors.get_slice(name).get_shape()) for name in stored}
            sources = {name: find(name, stored) for name, _ in model.named_parameters()}
            extra = [n for n in stored - set(sources.values()) if not may_stay(n)]
            _check_fit(file, model, sources, shapes, extra)
            values = {
                name: tensors.get_tensor(source).to(parameter_dtype(name, dtype))
                for name, source in sources.items()
            }
    except SafetensorError as error:
        raise ValueError(
            f"{file} is not a complete safetensors file ({error}). Copy or download it again."
        ) from error
    model.load_state_dict(values, strict=True, assign=True)
    return model.eval()


def _check_fit(
    file: Path,
    model: nn.Module,
    sources: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    extra: list[str],
) -> None:
    """Compare names and shapes before any tensor is read."""
    missing = [source for source in sources.values() if source not in shapes]
    wrong = [
        f"{sources[name]} is {shapes[sources[name]]} instead of {tuple(parameter.shape)}"
        for name, parameter in model.named_parameters()
        if sources[name] in shapes and shapes[sources[name]] != tuple(parameter.shape)
    ]
    faults = [
        f"{len(names)} {kind}: {_listed(names)}"
        for kind, names in (("missing", missing), ("unexpected", extra), ("mis-shaped", wrong))
        if names
    ]
    if faults:
        raise ValueError(
            f"{file} does not fit the model's configuration: {'; '.join(faults)}. "
            "Use the configuration that belongs to this file."
        )


def _listed(names: list[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(sorted(names)[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _check_exists(file: Path) -> None:
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist; a checkpoint is a directory with {CONFIG_FILE} and "
            f"{WEIGHTS_FILE}. Check the path."
        )
