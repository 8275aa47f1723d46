"""Real-time chunking: a new chunk that continues the one being executed.

While a chunk is sampled the robot executes the first `delay` actions that the new chunk overlaps,
so these cannot change any more. Two ways to respect them:

- `Guidance` bends the sampling of any model towards the previous chunk. Its published form weighs
  the deviation by the Jacobian of the denoiser; LeRobot's, by the identity, which is cheaper.
- A model that was trained with simulated delay is conditioned on the committed actions directly
  (`Sampler.sample`'s argument `committed`), which costs nothing.

Source: arXiv 2506.07339 (guidance), arXiv 2512.05964 (training-time conditioning).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# B batch, T actions of the previous chunk that are left, H horizon, A action width

SCHEDULES = ("linear", "exp", "ones", "zeros")
FORMS = ("identity", "jacobian")

Velocity = Callable[[Tensor], Tensor]
"""dx/dt of noisy actions (B, H, A) at one flow time."""


def overlap_weights(schedule: str, delay: int, end: int, horizon: int) -> Tensor:
    """Say how much each new action follows the previous chunk: 1 exactly, 0 not at all.

    Args:
        schedule: What lies between `delay` and `end`: falling linearly or exponentially, ones, or
            zeros.
        delay: Actions that will have been executed when the chunk arrives, d.
        end: Where the overlap ends, e; LeRobot calls it execution_horizon.
        horizon: Actions of a chunk, H.

    Returns:
        Weights, (H,) float32.

    Raises:
        ValueError: The schedule is unknown.

    Source: arXiv 2506.07339, equation 5, with e = H - s.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule '{schedule}' is unknown; use one of {list(SCHEDULES)}.")
    start = min(delay, end)
    index = torch.arange(horizon, dtype=torch.float32)
    falling = ((end - index) / (end - start + 1)).clamp(0.0, 1.0)
    between = {
        "linear": falling,
        "exp": falling * torch.expm1(falling) / (math.e - 1.0),
        "ones": torch.ones(horizon),
        "zeros": torch.zeros(horizon),
    }[schedule]
    weights = torch.where(index < start, torch.ones(horizon), between)
    return torch.where(index < end, weights, torch.zeros(horizon))


def guidance_weight(time: float, largest: float) -> float:
    """Say how strongly a deviation is corrected at a flow time.

    Args:
        time: Flow time t; 1 is noise.
        largest: Bound of the result; it is reached at both ends.

    Source: arXiv 2506.07339, equation 2, with tau = 1 - t.
    """
    tau = 1.0 - time
    if tau <= 0.0 or time <= 0.0:
        return largest
    return min(largest, (tau**2 + time**2) / (tau * time))


@dataclass(frozen=True, eq=False)
class Guidance:
    """A previous chunk that the new one shall continue.

    Attributes:
        previous: What is left of it, counted from the new chunk's first action, (B, T, up to A),
            in the model's normalised space; padded with zeros, which are followed, too, where the
            weights say so.
        delay: Actions that will have been executed when the new chunk arrives.
        end: Where the overlap ends; at most T.
        schedule: One of `SCHEDULES`.
        largest: Bound of the guidance weight.
        form: ``jacobian``, the published form, or ``identity``, which LeRobot ships: it takes the
            denoiser's Jacobian for the identity and needs no backward pass.
    """

    previous: Tensor
    delay: int
    end: int
    schedule: str = "exp"
    largest: float = 5.0
    form: str = "jacobian"

    def __post_init__(self) -> None:
        """Reject what no sampler can follow."""
        if self.form not in FORMS:
            raise ValueError(f"form '{self.form}' is unknown; use one of {list(FORMS)}.")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule '{self.schedule}' is unknown; use one of {SCHEDULES}.")
        if self.delay < 0 or self.end < 1:
            raise ValueError(
                f"delay is {self.delay} and end is {self.end}; a delay is 0 or more, and an "
                "overlap ends at 1 or more. Count in actions of the new chunk."
            )
        if self.previous.dim() != 3 or not self.previous.shape[1]:
            raise ValueError(
                f"previous has shape {tuple(self.previous.shape)}; it is (batch, actions left, "
                "action width), at least one action. Without any, sample without guidance."
            )
        if not self.largest > 0.0:
            raise ValueError(f"largest is {self.largest}; the bound must be positive (5 is usual).")

    def padded(self, horizon: int, action_dim: int) -> tuple[Tensor, Tensor]:
        """Return the previous chunk (B, H, A) and the weight of each of its actions, (H, 1).

        Raises:
            ValueError: The previous chunk is longer or wider than the new one.
        """
        _, length, width = self.previous.shape
        if length > horizon or width > action_dim:
            raise ValueError(
                f"previous has {length} actions of {width}; the model has {horizon} of "
                f"{action_dim}. Drop what was executed, and normalise before padding."
            )
        target = F.pad(self.previous.float(), (0, action_dim - width, 0, horizon - length))
        weights = overlap_weights(self.schedule, self.delay, min(self.end, length), horizon)
        return target, weights.to(target.device)[:, None]


def guided(
    guidance: Guidance, target: Tensor, weights: Tensor, velocity: Velocity, x: Tensor, time: float
) -> Tensor:
    """Bend a velocity towards the previous chunk.

    Args:
        guidance: How.
        target: The previous chunk, (B, H, A).
        weights: Of each action, (H, 1).
        velocity: The denoiser's velocity at this time as a function of the noisy actions; the
            published form differentiates it.
        x: Noisy actions, (B, H, A).
        time: Flow time t.

    Returns:
        The corrected velocity, (B, H, A).

    Source: arXiv 2506.07339, equations 2 to 4, with tau = 1 - t and v = -v_paper.
    """
    factor = guidance_weight(time, guidance.largest)
    if guidance.form == "identity":
        v = velocity(x)
        return v - factor * (target - (x - time * v)) * weights
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = velocity(x)
        clean = x - time * v  # what the chunk would be if the velocity stayed
        deviation = ((target - clean) * weights).detach()
        (correction,) = torch.autograd.grad(clean, x, deviation)
    return v.detach() - factor * correction
