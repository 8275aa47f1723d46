"""The parameters of openpi's JAX models: what orbax wrote, read as openpi's PyTorch tensors.

JAX keeps the layers of a stack in one array and multiplies from the other side. Arrays are read
with tensorstore alone; neither jax nor orbax is needed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pi0_ros.model.stored.tensor_source import READABLE, StoredTensor, check_finite

PARAMETERS_DIRECTORY = "params"
_METADATA = "_METADATA"
_TYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}

# L layers (split off before), W width, D head size, H query heads, K key heads, M hidden units
Rule = tuple[str, Callable[[Tensor], Tensor]]


def _same(x: Tensor) -> Tensor:
    return x


def _turned(x: Tensor) -> Tensor:
    return x.mT


def _from_heads(x: Tensor) -> Tensor:
    return x.flatten(0, 1).mT  # (H, D, W) -> (W, H D)


def _to_heads(x: Tensor) -> Tensor:
    return x.flatten(1).mT  # (W, H, D) -> (H D, W)


def _rows_of_heads(x: Tensor) -> Tensor:
    return x.mT.flatten(-3, -2)  # (.., H, W, D) -> (.., H D, W)


_LINEAR: dict[str, Rule] = {"kernel": ("weight", _turned), "bias": ("bias", _same)}
_IMAGE_BLOCK: dict[str, Rule] = {
    **{
        f"LayerNorm_{n}/{theirs}": (f"layer_norm{n + 1}.{ours}", _same)
        for n in (0, 1)
        for theirs, ours in (("scale", "weight"), ("bias", "bias"))
    },
    **{
        f"MlpBlock_0/Dense_{n}/{kind}": (f"mlp.fc{n + 1}.{ours}", turn)
        for n in (0, 1)
        for kind, (ours, turn) in _LINEAR.items()
    },
    **{
        f"MultiHeadDotProductAttention_0/{theirs}/kernel": (f"self_attn.{ours}.weight", _to_heads)
        for theirs, ours in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"))
    },
    **{
        f"MultiHeadDotProductAttention_0/{theirs}/bias": (f"self_attn.{ours}.bias", torch.flatten)
        for theirs, ours in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"))
    },
    "MultiHeadDotProductAttention_0/out/kernel": ("self_attn.out_proj.weight", _from_heads),
    "MultiHeadDotProductAttention_0/out/bias": ("self_attn.out_proj.bias", _same),
}
_GEMMA_BLOCK: dict[str, Rule] = {
    "attn/q_einsum/w": ("self_attn.q_proj.weight", _rows_of_heads),
    "attn/kv_einsum/w": ("self_attn.k_proj.weight self_attn.v_proj.weight", _rows_of_heads),
    "attn/attn_vec_einsum/w": ("self_attn.o_proj.weight", _from_heads),
    "mlp/gating_einsum": ("mlp.gate_proj.weight mlp.up_proj.weight", _turned),
    "mlp/linear": ("mlp.down_proj.weight", _turned),
    **{
        f"{theirs}/{kind}": (f"{ours}.{rest}", turn)
        for theirs, ours in (
            ("pre_attention_norm", "input_layernorm"),
            ("pre_ffw_norm", "post_attention_layernorm"),
        )
        for kind, (rest, turn) in {
            "scale": ("weight", _same),
            "Dense_0/kernel": ("dense.weight", _turned),
            "Dense_0/bias": ("dense.bias", _same),
        }.items()
    },
}
_GEMMA_NORM: dict[str, Rule] = {
    "final_norm/scale": ("norm.weight", _same),
    "final_norm/Dense_0/kernel": ("norm.dense.weight", _turned),
    "final_norm/Dense_0/bias": ("norm.dense.bias", _same),
}
_PALIGEMMA = "paligemma_with_expert.paligemma.model."
_TOWER = _PALIGEMMA + "vision_tower.vision_model."
_VLM = _PALIGEMMA + "language_model."
_EXPERT = "paligemma_with_expert.gemma_expert.model."
_REST: dict[str, Rule] = {
    "PaliGemma/img/embedding/kernel": (
        _TOWER + "embeddings.patch_embedding.weight",
        lambda x: x.permute(3, 2, 0, 1),  # height, width, in, out -> out, in, height, width
    ),
    "PaliGemma/img/embedding/bias": (_TOWER + "embeddings.patch_embedding.bias", _same),
    "PaliGemma/img/pos_embedding": (
        _TOWER + "embeddings.position_embedding.weight",
        lambda x: x.flatten(0, 1),
    ),
    "PaliGemma/img/Transformer/encoder_norm/scale": (_TOWER + "post_layernorm.weight", _same),
    "PaliGemma/img/Transformer/encoder_norm/bias": (_TOWER + "post_layernorm.bias", _same),
    "PaliGemma/img/head/kernel": (_PALIGEMMA + "multi_modal_projector.linear.weight", _turned),
    "PaliGemma/img/head/bias": (_PALIGEMMA + "multi_modal_projector.linear.bias", _same),
    "PaliGemma/llm/embedder/input_embedding": (_VLM + "embed_tokens.weight", _same),
    **{
        f"{layer}/{kind}": (f"{layer}.{ours}", turn)
        for layer in (
            *("state_proj", "action_in_proj", "action_out_proj"),
            *("action_time_mlp_in", "action_time_mlp_out", "time_mlp_in", "time_mlp_out"),
        )
        for kind, (ours, turn) in _LINEAR.items()
    },
}


def to_openpi(path: str, array: Tensor) -> dict[str, Tensor]:
    """Turn one JAX array into the PyTorch tensors that hold the same numbers.

    Args:
        path: Place of the array in the tree, such as ``PaliGemma/llm/layers/mlp/linear``.
        array: The array; on the meta device for shapes only.

    Returns:
        Views of it by openpi's PyTorch names; the array itself by its path if it is not known.
    """
    prefix, stacked, key, rules = _place(path)
    if key not in rules:
        return {path: array}
    names, turn = rules[key]
    if not stacked:
        return {prefix + names: turn(array)}
    tensors: dict[str, Tensor] = {}
    for layer, values in enumerate(array):
        turned = turn(values)
        # Key and value, and gate and up, share one array.
        parts = turned if " " in names else (turned,)
        for name, part in zip(names.split(), parts, strict=True):
            tensors[f"{prefix}{layer}.{name}"] = part
    return tensors


def _place(path: str) -> tuple[str, bool, str, dict[str, Rule]]:
    """Say where an array belongs: prefix of its names, whether layers are stacked, and its rule."""
    blocks = "PaliGemma/img/Transformer/encoderblock/"
    if path.startswith(blocks):
        return _TOWER + "encoder.layers.", True, path.removeprefix(blocks), _IMAGE_BLOCK
    if path.startswith(("PaliGemma/llm/layers/", "PaliGemma/llm/final_norm")):
        # The action expert's arrays are named like the VLM's, with a suffix.
        key = re.sub(r"_1(?=/|$)", "", path).removeprefix("PaliGemma/llm/")
        prefix = _VLM if path.endswith(key) else _EXPERT
        if key.startswith("layers/"):
            return prefix + "layers.", True, key.removeprefix("layers/"), _GEMMA_BLOCK
        return prefix, False, key, _GEMMA_NORM
    return "", False, path, _REST


class JaxParameters:
    """A `TensorSource` over the ``params`` directory of one of openpi's JAX checkpoints.

    Attributes:
        place: The directory.
        tensors: What is stored, by openpi's PyTorch names.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Look at the arrays' headers; no numbers are read.

        Args:
            directory: The ``params`` directory, or the checkpoint that it lies in.

        Raises:
            FileNotFoundError: There is none.
            ValueError: tensorstore is not installed, or the directory holds no arrays.
        """
        found = find_parameters(Path(directory))
        if found is None:
            raise FileNotFoundError(
                f"{directory} holds no JAX parameters: no '{PARAMETERS_DIRECTORY}' with a "
                f"{_METADATA}. Check the path."
            )
        self.place = str(found)
        self.tensors: dict[str, StoredTensor] = {}
        self._arrays = _open_arrays(found)
        self._paths: dict[str, str] = {}
        for path, array in self._arrays.items():
            dtype = _TYPES.get(array.dtype.name, array.dtype.name)
            for name, tensor in to_openpi(path, torch.empty(array.shape, device="meta")).items():
                self.tensors[name] = StoredTensor(tuple(tensor.shape), dtype)
                self._paths[name] = path

    def read(self, names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Read tensors array by array; see `TensorSource`."""
        for path in {self._paths[name]: None for name in names}:
            array = _tensor(self._arrays[path], f"{self.place}: {path}")
            for name, tensor in to_openpi(path, array).items():
                if name in names:
                    check_finite(self.place, name, tensor)
                    yield name, tensor
            del array, tensor


def find_parameters(directory: Path) -> Path | None:
    """Find the JAX parameters of a checkpoint: the directory itself or its ``params``."""
    places = (directory / PARAMETERS_DIRECTORY, directory)
    return next((place for place in places if (place / _METADATA).is_file()), None)


def _open_arrays(directory: Path) -> dict[str, Any]:
    """Open every array of an orbax directory without reading it, by its place in the tree."""
    try:
        import tensorstore
    except ImportError as error:
        raise ValueError(
            f"{directory} holds JAX parameters, which are read with tensorstore, and it is not "
            "installed. Run: pip install -r requirements/jax.txt"
        ) from error
    store: dict[str, Any] = {"driver": "file", "path": f"{directory.resolve()}/"}
    if (directory / "manifest.ocdbt").is_file():
        store = {"driver": "ocdbt", "base": store}
    try:
        keys = tensorstore.KvStore.open(store).result().list().result()
        stored = [os.path.split(key.decode()) for key in keys]
        drivers = {
            place: {".zarray": "zarr", "zarr.json": "zarr3"}[file]
            for place, file in stored
            if file in (".zarray", "zarr.json")
        }
        specs = {
            _tree_path(place): {
                "driver": driver,
                "kvstore": _inside(store, place),
                "fill_missing_data_reads": not _stores_zeros(directory),
            }
            for place, driver in drivers.items()
        }
        # Headers are small, but there are many: all are asked for before one is waited for.
        opening = {path: tensorstore.open(spec, read=True) for path, spec in specs.items()}
        return {path: array.result() for path, array in opening.items()}
    except ValueError as error:
        raise ValueError(_damaged(directory, error)) from error


def _tree_path(place: str) -> str:
    """Turn ``params.a.b`` or, from openpi's training, ``params.a.b.value`` into ``a/b``."""
    return re.sub(r"^params\.|\.value$", "", place).replace(".", "/")


def _inside(store: Mapping[str, Any], place: str) -> dict[str, Any]:
    if store["driver"] == "ocdbt":
        return {**store, "path": f"{place}/"}
    return {**store, "path": f"{store['path']}{place}/"}


def _stores_zeros(directory: Path) -> bool:
    """Whether a chunk that is not there is a lost one; older writers left zeros out."""
    metadata = json.loads((directory / _METADATA).read_text(encoding="utf-8"))
    return bool(metadata.get("store_array_data_equal_to_fill_value", False))


def _tensor(array: Any, place: str) -> Tensor:
    try:
        values = array.read().result()
    except ValueError as error:
        raise ValueError(_damaged(place, error)) from error
    if array.dtype.name == "bfloat16":  # numpy has no such type, so its bits travel as integers
        return torch.from_numpy(values.view("int16")).view(READABLE["BF16"])
    return torch.from_numpy(values)


def _damaged(place: object, error: Exception) -> str:
    reason = str(error).splitlines()[0][:200]
    return f"{place} cannot be read ({reason}). Copy or download the checkpoint again."
