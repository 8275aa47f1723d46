"""What the model's public entries accept, and what they say otherwise.

Only shapes, types and names are looked at: a look at values would make a GPU wait.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import torch
from torch import Tensor

from pi0_ros.model.config import Pi0Config


def check_images(
    config: Pi0Config,
    batch: int,
    images: Mapping[str, Tensor],
    image_masks: Mapping[str, Tensor] | None,
) -> None:
    """Check cameras and their masks.

    Raises:
        ValueError: A camera is unknown, none is there, one has no mask or vice versa, or a tensor
            has a wrong shape or type.
    """
    size = config.vision.image_size
    if not images:
        raise ValueError(f"there are no images; give at least one of {list(config.cameras)}.")
    for name in images:
        if name not in config.cameras:
            near = difflib.get_close_matches(name, config.cameras, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "Rename it to one of these."
            raise ValueError(
                f"camera '{name}' is unknown; the model has {list(config.cameras)}. {hint}"
            )
    if image_masks is not None and set(images) != set(image_masks):
        raise ValueError(
            f"images has {sorted(images)} but image_masks has {sorted(image_masks)}; "
            "give one mask per image."
        )
    for name, image in images.items():
        _check_shape(f"image '{name}'", image, (batch, 3, size, size), "Resize it first.")
        _check_floating(f"image '{name}'", image, "Convert uint8 pixels by x / 127.5 - 1.")
    for name, mask in (image_masks or {}).items():
        _check_shape(f"mask of image '{name}'", mask, (batch,), "Give one flag per image.")
        _check_bool(f"mask of image '{name}'", mask)


def check_tokens(config: Pi0Config, tokens: Tensor, token_mask: Tensor | None) -> None:
    """Check the prompt's ids (B, L) and their mask, None where all are real.

    Raises:
        ValueError: A shape or type is wrong, or the prompt is longer than the model's.
    """
    if tokens.dim() != 2 or not 1 <= tokens.shape[1] <= config.prompt_length:
        raise ValueError(
            f"tokens has shape {tuple(tokens.shape)}; the model takes (batch, 1 to "
            f"{config.prompt_length}). Encode the prompt with PromptTokenizer."
        )
    if tokens.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"tokens is {tokens.dtype}; allowed are torch.int64 and torch.int32. Convert the ids."
        )
    if token_mask is None:
        return
    _check_shape("token_mask", token_mask, tuple(tokens.shape), "Give one flag per token.")
    _check_bool("token_mask", token_mask)


def check_state(config: Pi0Config, batch: int, state: Tensor) -> None:
    """Check the padded state (B, A).

    Raises:
        ValueError: The shape or type is wrong.
    """
    remedy = "Normalise it, then pad it with zeros."
    _check_shape("state", state, (batch, config.action_dim), remedy)
    _check_floating("state", state, "Convert it to float32.")


def check_actions(config: Pi0Config, batch: int, name: str, actions: Tensor) -> None:
    """Check something shaped like a chunk of actions (B, H, A), called `name`.

    Raises:
        ValueError: The shape or type is wrong.
    """
    shape = (batch, config.horizon, config.action_dim)
    _check_shape(name, actions, shape, "It is (batch, horizon, action_dim); pad or cut it.")
    _check_floating(name, actions, "Convert it to float32.")


def check_committed(config: Pi0Config, batch: int, committed: Tensor | None) -> None:
    """Check committed actions (B, d, A), None where there are none.

    Raises:
        ValueError: The shape or type is wrong, or nothing is left to sample.
    """
    if committed is None:
        return
    shape, horizon, width = tuple(committed.shape), config.horizon, config.action_dim
    if len(shape) != 3 or (shape[0], shape[2]) != (batch, width) or not 1 <= shape[1] < horizon:
        raise ValueError(
            f"committed has shape {shape}; the model needs ({batch}, 1 to {horizon - 1}, {width}). "
            "Pad the actions, and leave some to sample."
        )
    _check_floating("committed", committed, "Convert it to float32.")


def check_time(config: Pi0Config, batch: int, time: Tensor) -> None:
    """Check flow times, (B,) or (B, H).

    Raises:
        ValueError: The shape or type is wrong.
    """
    per_action = (batch, config.horizon)
    if tuple(time.shape) not in ((batch,), per_action):
        raise ValueError(
            f"time has shape {tuple(time.shape)}; the model needs {(batch,)} or {per_action}. "
            "Give one flow time per sample, or one per action."
        )
    _check_floating("time", time, "Convert it to float32.")


def _check_shape(name: str, tensor: Tensor, shape: tuple[int, ...], remedy: str) -> None:
    if tuple(tensor.shape) != shape:
        raise ValueError(
            f"{name} has shape {tuple(tensor.shape)}; the model needs {shape}. {remedy}"
        )


def _check_floating(name: str, tensor: Tensor, remedy: str) -> None:
    if not tensor.is_floating_point():
        raise ValueError(f"{name} is {tensor.dtype}; the model needs a floating type. {remedy}")


def _check_bool(name: str, tensor: Tensor) -> None:
    if tensor.dtype != torch.bool:
        raise ValueError(
            f"{name} is {tensor.dtype}; the model needs torch.bool, True where something is "
            "present. Convert it."
        )
