"""What the executor counts for its status."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pi0_ros.execution.follower import Motion
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.reasons import Reason


class Tally:
    """Counters since activation.

    Args:
        limits: What motions are compared with.
    """

    def __init__(self, limits: JointLimits) -> None:
        """Start at zero."""
        self._limits = limits
        width = len(limits.velocity)
        self._fastest: np.ndarray = np.zeros((3, width))  # velocity, acceleration, jerk
        self._before: np.ndarray = np.zeros(width)
        self._touched: np.ndarray = np.zeros(width, dtype=bool)
        self.ticks = 0
        self.late_ticks = 0
        self.chunks_accepted = 0
        self.chunks_rejected = 0
        self.chunks_scaled = 0
        self.last_rejection: Reason | None = None

    def begun(self, motion: Motion) -> None:
        """Hear how a run begins."""
        self._before = motion.acceleration

    def ticked(self, motion: Motion, touched: np.ndarray, dt: float, *, late: bool) -> None:
        """Count one sample, and which axes a limit held back (A,) bool."""
        self.ticks += 1
        self.late_ticks += late
        jerk = (motion.acceleration - self._before) / dt
        self._before = motion.acceleration
        for fastest, now in zip(
            self._fastest, (motion.velocity, motion.acceleration, jerk), strict=True
        ):
            np.maximum(fastest, np.abs(now), out=fastest)
        self._touched |= touched

    def strode(self, samples: Motion, dt: float, late: int) -> None:
        """Count many samples that no limit held back, (N, A) each; so many of them were late."""
        self.ticks += len(samples.position)
        self.late_ticks += late
        earlier = np.concatenate([self._before[None], samples.acceleration[:-1]])
        self._before = samples.acceleration[-1]
        jerks = (samples.acceleration - earlier) / dt
        for fastest, now in zip(
            self._fastest, (samples.velocity, samples.acceleration, jerks), strict=True
        ):
            np.maximum(fastest, np.abs(now).max(axis=0), out=fastest)

    def accepted(self, scale: float) -> None:
        """Count a chunk that is played."""
        self.chunks_accepted += 1
        self.chunks_scaled += scale < 1.0

    def rejected(self, problem: Reason) -> None:
        """Count a chunk that is not played, and remember why."""
        self.chunks_rejected += 1
        self.last_rejection = problem

    @property
    def largest_ratios(self) -> tuple[float, float, float]:
        """Largest velocity, acceleration and jerk of any axis, as shares of the limits."""
        limits = self._limits
        bounds = np.stack((limits.velocity, limits.acceleration, limits.jerk))
        velocity, acceleration, jerk = (self._fastest / bounds).max(axis=1)
        return float(velocity), float(acceleration), float(jerk)

    def take_touched(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return which of the axes were held back since the last call, and forget it."""
        touched = self._touched.tolist()
        self._touched[:] = False
        return tuple(name for name, was in zip(names, touched, strict=True) if was)
