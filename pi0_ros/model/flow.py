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
        time: Flow times in [0, 1], of any shape.
        width: Channels of the embedding, W; even.

    Returns:
        Embedding, (..., W) float32.

    Source: openpi; arXiv 2410.24164, appendix B calls it phi.
    """
    # The largest angle is 1571 rad: in float32 its sine would be off by 1e-4.
    exponent = torch.linspace(0.0, 1.0, width // 2, dtype=torch.float64, device=time.device)
    period = SHORTEST_PERIOD * (LONGEST_PERIOD / SHORTEST_PERIOD) ** exponent  # (W/2,)
    angle = 2.0 * math.pi * time.double()[..., None] / period  # (..., W/2)
    return torch.cat([angle.sin(), angle.cos()], dim=-1).float()


def interpolate(actions: Tensor, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Mix actions with noise and say in which direction the mixture moves.

    Args:
        actions: Normalised actions, (B, H, A).
        noise: Standard normal noise, (B, H, A).
        time: Flow times, (B,), or one per action, (B, H); 1 is pure noise.

    Returns:
        The noisy actions and their velocity dx/dt, each (B, H, A).

    Source: arXiv 2410.24164, section IV (with t = 1 - tau).
    """
    t = time[:, None, None] if time.dim() == 1 else time[:, :, None]
    return t * noise + (1 - t) * actions, noise - actions


def euler_times(steps: int, *, exact: bool = False) -> tuple[float, ...]:
    """List the times at which Euler integration from 1 to 0 asks for a velocity.

    openpi subtracts the step again and again in float32, rounding included; LeRobot takes exactly
    1 - k/n. Actions differ by 5e-5, through the fast sines of the time embedding.

    Args:
        steps: Number of Euler steps, n, at least 1.
        exact: Take LeRobot's times instead of openpi's.

    Returns:
        Times from 1.0 downwards, one per step.

    Raises:
        ValueError: There are no steps.

    Source: openpi; LeRobot.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; sampling needs at least 1 (10 is usual).")
    if exact:
        return tuple(1.0 - k / steps for k in range(steps))
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


def mean_over_real(
    error: Tensor, action_dims: int | None = None, real: Tensor | None = None
) -> Tensor:
    """Average the loss over what was not padded; over everything, padding included, by default.

    Args:
        error: Loss of each action entry, (B, H, A).
        action_dims: Leading entries of an action that belong to the robot; None for all A, as
            openpi trains.
        real: True where an action was recorded and counts, (B, H) bool; None where all do. Steps
            beyond an episode's end, and committed steps under simulated delay, do not count.

    Returns:
        One number; 0 where nothing is real.
    """
    error = error[..., :action_dims]
    if real is None:
        return error.mean()
    return (error * real[..., None]).sum() / (real.sum() * error.shape[-1]).clamp(min=1)


def delayed(time: Tensor, delay: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
    """Simulate for training that the first actions of a chunk are committed already.

    Args:
        time: Flow times, (B,).
        delay: Number of committed actions, (B,) int64.
        horizon: Actions of a chunk, H.

    Returns:
        Flow times per action, 0 (clean) for the committed ones, (B, H); and True where the loss
        counts, (B, H) bool.

    Source: arXiv 2512.05964, "Training-time action conditioning for efficient real-time chunking".
    """
    free = torch.arange(horizon, device=time.device) >= delay[:, None]
    return torch.where(free, time[:, None], torch.zeros_like(time[:, None])), free
