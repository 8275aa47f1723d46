"""Checkpoints of any form: recognised, described, and loaded whole or not at all."""

from __future__ import annotations

from pathlib import Path

import torch

from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored import weights
from pi0_ros.model.stored.tensor_files import INDEX_FILE, WEIGHTS_FILE
from pi0_ros.policy.checkpoints.description import CONFIG_FILE, Description, read_json
from pi0_ros.policy.checkpoints.lerobot_form import describe_lerobot, is_lerobot
from pi0_ros.policy.checkpoints.openpi_form import describe_openpi
from pi0_ros.policy.checkpoints.own_form import describe_own, is_own


def describe(directory: Path) -> Description:
    """Recognise a checkpoint and read all of it but its weights.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is malformed, files contradict each other, or it is no checkpoint of a
            policy; the message says what it is and what to do.
    """
    _refuse_others(directory)
    if is_own(directory):
        return describe_own(directory)
    if is_lerobot(directory):
        return describe_lerobot(directory)
    return describe_openpi(directory)


def load(description: Description, device: torch.device, dtype: torch.dtype) -> Pi0:
    """Read the weights of a described checkpoint.

    Raises:
        ValueError: A file is damaged, or the tensors are not those of the model.
    """
    return weights.load_openpi(description.weights, description.config, device, dtype)


def _refuse_others(directory: Path) -> None:
    """Name what is not a policy that runs as it is."""
    has_weights = any((directory / name).is_file() for name in (WEIGHTS_FILE, INDEX_FILE))
    has_parameters = any((directory / name).exists() for name in ("params", "_METADATA"))
    if has_parameters and not has_weights:
        raise ValueError(
            f"{directory} holds openpi's JAX parameters; `pi0 convert {directory} TARGET` turns "
            "them into a checkpoint that runs"
        )
    file = directory / CONFIG_FILE
    said = read_json(file) if file.is_file() else {}
    kind = said.get("type", said.get("model_type"))
    if "format" not in said and kind not in (None, "pi0", "pi05"):
        raise ValueError(
            f"{directory} holds a model of type '{kind}'; policies of type pi0 and pi05 run here"
            + (", and PaliGemma is where their training starts" if kind == "paligemma" else "")
        )
    inside = sorted({file.parent.name for file in directory.glob(f"*/{WEIGHTS_FILE}*")})
    if inside and not has_weights:
        raise FileNotFoundError(
            f"{directory} holds no weights itself, but checkpoints are in {', '.join(inside)}; "
            "give one of these directories"
        )
