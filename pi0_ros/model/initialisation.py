"""Random weights for a model that has not learnt anything yet."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.precision import check_dtype, parameter_dtype


def initialise(
    model: Pi0,
    generator: torch.Generator,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Pi0:
    """Fill a model with random numbers, and return it.

    - Matrices are normal with variance 1 / fan-in, so that activations keep their size.
    - The matrices that write to a residual stream are smaller by sqrt(2 depth), so that the stream
      keeps its size, too.
    - Prompt embeddings have unit variance after Gemma's scaling by sqrt(width).
    - The position table is a 2-D sine and cosine pattern: small models learn where things are much
      sooner than from noise.
    - Norms start as plain norms and biases at zero. Adaptive norms start with closed gates, as
      openpi's do.

    Args:
        model: The model, filled or not; what it held is lost.
        generator: Source of randomness; the same seed gives the same weights on every device.
        device: Where the parameters go.
        dtype: float32 or bfloat16; see `precision.parameter_dtype` for what stays in float32.

    Raises:
        ValueError: The dtype is unknown to the model.
    """
    check_dtype(dtype)
    values = {
        name: _draw(model, name, parameter, generator).to(device, parameter_dtype(name, dtype))
        for name, parameter in model.named_parameters()
    }
    model.load_state_dict(values, strict=True, assign=True)
    return model


def _draw(model: Pi0, name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one parameter in float32 on the generator's device."""
    part, kind = name.split(".")[0], name.split(".")[-1]
    device = generator.device
    if name == "vision.position":
        side = model.config.vision.image_size // model.config.vision.patch_size
        return position_pattern(side, parameter.shape[1]).to(device)
    if kind == "bias" or ".dense." in name:
        return torch.zeros(parameter.shape, device=device)
    if parameter.dim() == 1:
        return torch.ones(parameter.shape, device=device)
    fan_in = parameter[0].numel()
    std = 1.0 / math.sqrt(fan_in)
    if ".attention.out." in name or ".mlp.down." in name:
        depth = model.config.vision.depth if part == "vision" else model.config.depth
        std /= math.sqrt(2.0 * depth)
    return torch.randn(parameter.shape, generator=generator, device=device) * std


def position_pattern(side: int, width: int) -> Tensor:
    """Describe the patches of a square image by sines and cosines of their row and column.

    Args:
        side: Patches along one edge.
        width: Channels; the first half tells the row, the second the column.

    Returns:
        One row per patch, row by row, (side * side, width) float32 in [-1, 1].
    """
    half = width // 2
    index = torch.arange(half)
    period = 2.0 * math.pi * 100.0 ** ((index // 2) / max(half // 2, 1))  # 1 to 100 patches per rad
    phase = torch.where(index % 2 == 0, 0.0, math.pi / 2)
    line = torch.sin(2.0 * math.pi * torch.arange(side)[:, None] / period + phase)  # (side, half)
    rows = line[:, None].expand(side, side, half)
    columns = line[None].expand(side, side, half)
    pattern = torch.zeros(side, side, width)
    pattern[..., : 2 * half] = torch.cat([rows, columns], dim=-1)
    return pattern.flatten(0, 1)
