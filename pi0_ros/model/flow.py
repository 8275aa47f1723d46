"""Flow matching: time, the path from noise to actions, and its integration.

Time t runs as in openpi: t = 1 is noise, t = 0 is data. The paper's tau is 1 - t, and its
velocity has the opposite sign.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# B batch, H horizon, A action width, W width of the action expert
SHORTEST_PERIOD = 4e-3
LONGEST_PERIOD = 4.0
# Sampling in up to 1000 steps never asks for a later tau, so training skips what lies beyond.
LATEST_TAU = 0.999


def time_embedding(time: Tensor, width: int) -> Tensor:
    """Embed flow times as sines, then cosines, of geometrically spaced periods.

    Args:
        time: Flow times in [0, 1], (B,).
        width: Channels of the embedding; even.

    Returns:
        Embedding, (B, W) float32.

    Source: openpi; arXiv 2410.24164, appendix B calls it phi.
    """
    # The largest angle is 1571 rad: in float32 its sine would be off by 1e-4.
    exponent = torch.linspace(0.0, 1.0, width // 2, dtype=torch.float64, device=time.device)
    period = SHORTEST_PERIOD * (LONGEST_PERIOD / SHORTEST_PERIOD) ** exponent  # (W/2,)
    angle = 2.0 * math.pi * time.double()[:, None] / period  # (B, W/2)
    return torch.cat([angle.sin(), angle.cos()], dim=-1).float()


def interpolate(actions: Tensor, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Mix actions with noise and say in which direction the mixture moves.

    Args:
        actions: Normalised actions, (B, H, A).
        noise: Standard normal noise, (B, H, A).
        time: Flow times, (B,); 1 is pure noise.

    Returns:
        The noisy actions and their velocity dx/dt, each (B, H, A).

    Source: arXiv 2410.24164, section IV (with t = 1 - tau).
    """
    t = time[:, None, None]
    return t * noise + (1 - t) * actions, noise - actions


def euler_times(steps: int) -> tuple[float, ...]:
    """List the times at which Euler integration from 1 to 0 asks for a velocity.

    The step is subtracted again and again in float32, rounding included: exact times 1 - k/n
    would change the actions by 5e-5, through the fast sines of the time embedding.

    Args:
        steps: Number of Euler steps, at least 1.

    Returns:
        Times from 1.0 downwards, one per step.

    Raises:
        ValueError: There are no steps.

    Source: openpi.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; sampling needs at least 1 (10 is usual).")
    step = torch.tensor(-1.0 / steps, dtype=torch.float32)
    time = torch.tensor(1.0, dtype=torch.float32)
    times = []
    for _ in range(steps):
        times.append(time.item())
        time = time + step
    return tuple(times)


def training_times(batch: int, generator: torch.Generator) -> Tensor:
    """Draw flow times for training, more of them near noise than near data.

    Args:
        batch: Number of times, B.
        generator: Source of randomness; its device is the result's device.

    Returns:
        Times 0.001 + 0.999 Beta(1.5, 1), (B,) float32.

    Source: arXiv 2410.24164, appendix B, "Sampling the flow matching timestep".
    """
    uniform = torch.rand(batch, generator=generator, device=generator.device)
    beta = uniform ** (1 / 1.5)  # the inverse distribution function of Beta(1.5, 1)
    return LATEST_TAU * beta + (1.0 - LATEST_TAU)
