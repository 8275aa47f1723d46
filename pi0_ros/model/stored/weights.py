"""Checkpoints: weights read strictly from any file that holds π0, and written in our own form.

Our own form is a directory with `config.json` (all sizes, and sections of others) and
`model.safetensors` (openpi's names). A tensor that is missing, unexpected or mis-shaped is an
error, so a model is never partly loaded; and nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pi0_ros.model.config import ExpertConfig, Pi0Config, VisionConfig
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.precision import check_dtype, parameter_dtype
from pi0_ros.model.stored.matching import match
from pi0_ros.model.stored.names import (
    EMBEDDING,
    TIED_EMBEDDING,
    Part,
    find_openpi_names,
    is_paligemma,
    openpi_parts,
)
from pi0_ros.model.stored.tensor_files import TensorFiles, write_tensors
from pi0_ros.model.stored.tensor_source import READABLE, StoredTensor, TensorSource

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
FORMAT = "pi0_ros/1"
_TYPE_NAMES = {dtype: name for name, dtype in READABLE.items()}


def parts_of(model: Pi0) -> dict[str, Part]:
    """List the tensors of openpi's files that fill a model, by openpi's names."""
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    return openpi_parts(model.config, shapes)


# --- reading -------------------------------------------------------------------------------------


def read_config(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the sections of a checkpoint in our own form: ``model``, and those of others.

    Raises:
        FileNotFoundError: There is no `config.json`.
        ValueError: It is not in our form.
    """
    file = Path(directory) / CONFIG_FILE
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist; a checkpoint is a directory with {CONFIG_FILE} and "
            f"{WEIGHTS_FILE}. Check the path."
        )
    try:
        sections = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}). Copy or download it again.") from error
    written = sections.pop("format", None) if isinstance(sections, dict) else None
    if written != FORMAT or "model" not in sections:
        raise ValueError(
            f"{file} says format {written!r}; read is {FORMAT!r} with a section 'model'. Another "
            "program wrote it, or another version of this one; write it again with `pi0 convert`."
        )
    return dict(sections)


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
    try:
        config = Pi0Config.from_json(json.dumps(read_config(directory)["model"]))
    except ValueError as error:
        raise ValueError(f"{Path(directory) / CONFIG_FILE}: {error}") from error
    return load_openpi(directory, config, device, dtype)


def load_openpi(
    weights: str | os.PathLike[str] | TensorSource,
    config: Pi0Config,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Pi0:
    """Read the weights of openpi, of LeRobot or of our own.

    Beside the model only one stored tensor at a time is in the host's memory.

    Args:
        weights: A safetensors file, a directory with one or several, or another source.
        config: Sizes of the model in it; `sizes.infer_config` finds them out.
        device: Where the parameters go.
        dtype: float32 or bfloat16; see `precision.parameter_dtype` for what stays in float32.

    Returns:
        The model, in evaluation mode.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or the tensors do not fit the configuration.
    """
    check_dtype(dtype)
    source = _source(weights)
    model = Pi0(config)
    values = _read(model, source, parts_of(model), device, dtype)
    model.load_state_dict(values, strict=True, assign=True)
    return model.eval()


def start_from_paligemma(
    weights: str | os.PathLike[str] | TensorSource,
    config: Pi0Config,
    generator: torch.Generator,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Pi0:
    """Put PaliGemma's image tower and language model together with a fresh action expert.

    Args:
        weights: Files of Hugging Face's PaliGemma. Their padded embedding may have more rows than
            the model's vocabulary.
        config: Sizes of the model.
        generator: Source of the fresh parameters.
        device: Where the parameters go.
        dtype: float32 or bfloat16; see `precision.parameter_dtype` for what stays in float32.

    Returns:
        The model, in evaluation mode.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or PaliGemma's tensors do not fit the configuration.
    """
    check_dtype(dtype)
    source = _source(weights)
    model = Pi0(config)
    parts = {name: part for name, part in parts_of(model).items() if is_paligemma(name)}
    padded = source.tensors.get(find_openpi_names(source.tensors).get(EMBEDDING, ""))
    if padded is not None and padded.shape[:1] >= (config.vocab,):
        embedding = parts[EMBEDDING]
        parts[EMBEDDING] = replace(embedding, shape=(*padded.shape[:1], *embedding.shape[1:]))
    values = _read(model, source, parts, device, dtype)
    # The expert and the projections are the same beside a tower and a VLM of next to no size.
    small = replace(config, vision=VisionConfig(1, 1, 1, 1, 1, 1), vlm=ExpertConfig(1, 1), vocab=1)
    fresh = initialise(Pi0(small), generator, device, dtype).state_dict()
    missing = {name: fresh[name] for name, _ in model.named_parameters() if name not in values}
    model.load_state_dict(values | missing, strict=True, assign=True)
    return model.eval()


def _source(weights: str | os.PathLike[str] | TensorSource) -> TensorSource:
    return TensorFiles(weights) if isinstance(weights, str | os.PathLike) else weights


def _read(
    model: Pi0,
    source: TensorSource,
    parts: Mapping[str, Part],
    device: str | torch.device,
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    """Fill the parameters that `parts` speaks of, each allocated once where it belongs."""
    wanted = match(source, parts)
    needed = {part.parameter for part in parts.values()}
    values = {
        name: torch.empty(parameter.shape, dtype=parameter_dtype(name, dtype), device=device)
        for name, parameter in model.named_parameters()
        if name in needed
    }
    for name, tensor in source.read(wanted):
        part = parts[wanted[name]]
        rows = values[part.parameter][part.rows]
        if part.lacks_one:
            tensor = tensor.float() + 1.0
        rows.copy_(tensor[: rows.shape[0]])
    return values


# --- writing -------------------------------------------------------------------------------------


def save(
    model: Pi0, directory: str | os.PathLike[str], sections: Mapping[str, Any] | None = None
) -> None:
    """Write a model's sizes and weights to a directory, creating it if need be.

    Args:
        model: The model; each parameter is written in its own type.
        directory: The directory.
        sections: Further objects of `config.json`, which `read_config` returns.
    """
    dtypes = {name: parameter.dtype for name, parameter in model.named_parameters()}
    layout = {name: _stored(part, dtypes[part.parameter]) for name, part in parts_of(model).items()}
    write(Path(directory), model.config, layout, stored_tensors(model), sections or {})


def stored_tensors(model: Pi0) -> Iterator[tuple[str, Tensor]]:
    """Go through a model's weights as openpi's files store them, by openpi's names."""
    parameters = dict(model.named_parameters())
    for name, part in parts_of(model).items():
        tensor = parameters[part.parameter].detach()[part.rows]
        yield name, tensor.float() - 1.0 if part.lacks_one else tensor


def stored_layout(config: Pi0Config, dtype: torch.dtype) -> dict[str, StoredTensor]:
    """Say which tensors, of which types, a file of a model that runs in `dtype` holds."""
    check_dtype(dtype)
    return {
        name: _stored(part, parameter_dtype(part.parameter, dtype))
        for name, part in parts_of(Pi0(config)).items()
    }


def write(
    directory: Path,
    config: Pi0Config,
    layout: Mapping[str, StoredTensor],
    tensors: Iterable[tuple[str, Tensor]],
    sections: Mapping[str, Any],
) -> None:
    """Write a checkpoint in our own form, tensor by tensor.

    Args:
        directory: The directory; created if need be.
        config: Sizes of the model.
        layout: Shape and type of each tensor, by openpi's name.
        tensors: The tensors as openpi's files store them, by openpi's name, in any order.
        sections: Further objects of `config.json`.

    Raises:
        ValueError: The tensors are not those of the layout.
    """
    directory.mkdir(parents=True, exist_ok=True)
    write_weights(directory / WEIGHTS_FILE, layout, tensors)
    text = json.dumps(
        {"format": FORMAT, "model": json.loads(config.to_json()), **sections}, indent=2
    )
    part = directory / (CONFIG_FILE + ".part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, directory / CONFIG_FILE)


def write_weights(
    file: Path, layout: Mapping[str, StoredTensor], tensors: Iterable[tuple[str, Tensor]]
) -> None:
    """Write a safetensors file as openpi does, with the embedding under its tied name."""

    def tied(name: str) -> str:
        return TIED_EMBEDDING if name == EMBEDDING else name

    write_tensors(
        file,
        {tied(name): stored for name, stored in layout.items()},
        ((tied(name), tensor) for name, tensor in tensors),
        {"format": "pt", EMBEDDING: TIED_EMBEDDING},
    )


def _stored(part: Part, dtype: torch.dtype) -> StoredTensor:
    # A scale less one keeps more of its digits than the scale has.
    dtype = torch.float32 if part.lacks_one else dtype
    return StoredTensor(part.shape, _TYPE_NAMES[dtype])
