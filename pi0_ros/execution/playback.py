"""Playback: one chunk's reference, read as fast as the robot and its surroundings allow."""

from __future__ import annotations

import numpy as np

from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.execution.clock import TrajectoryClock
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.reference import JoinLimits, Reference, join
from pi0_ros.execution.settings import ExecutorSettings


class Playback:
    """Says where A axes should be after each period. Arms and base obey one trajectory clock.

    Args:
        limits: Of the axes; the clock slows where the path is too fast for one of them.
        settings: Times of ramps and fades.
    """

    def __init__(self, limits: JointLimits, settings: ExecutorSettings) -> None:
        """Start without a chunk, standing."""
        self._limits = limits
        self._join_limits = JoinLimits(
            settings.fade_ns,
            settings.fade_share * limits.velocity,
            settings.fade_share * limits.acceleration,
        )
        self._clock = TrajectoryClock(settings.ramp_ns)
        self._reference: Reference | None = None
        self._speed: np.ndarray | None = None  # of the path where it is read, by trajectory time
        self.elapsed_ns = 0  # trajectory time since the chunk's start

    @property
    def rate(self) -> float:
        """Trajectory time per time, in [0, 1]."""
        return self._clock.rate

    @property
    def chunk(self) -> ActionChunk | None:
        """The chunk being played."""
        return self._reference.chunk if self._reference else None

    @property
    def is_over(self) -> bool:
        """Whether the path's end is reached."""
        return self._reference is not None and self.elapsed_ns >= self._reference.duration_ns

    def join(self, chunk: ActionChunk, position: np.ndarray, instant_ns: int) -> None:
        """Go on with a chunk, without a jump.

        Args:
            chunk: The plan.
            position: Where the axes are at the join, (A,) [rad or m].
            instant_ns: When that is [ns, node clock]; before its start, a chunk begins there.
        """
        elapsed_ns = max(instant_ns - chunk.start_ns, 0)
        speed = self._speed if self._clock.rate > 0.0 else None
        self._reference = join(chunk, elapsed_ns, position, speed, self._join_limits)
        self.elapsed_ns = elapsed_ns
        _, self._speed = self._reference.at(elapsed_ns)

    def end(self) -> None:
        """Forget the chunk and stand at once, as where nothing is commanded."""
        self._reference = self._speed = None
        self._clock.stand()

    def step(
        self, position: np.ndarray, share: float, period_ns: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read the path one period later.

        An axis that is driven by velocity makes up for nothing: its way goes on from wherever it
        is, because what a base has missed is not where the robot has gone meanwhile.

        Args:
            position: Last position, (A,) [rad or m].
            share: Wanted clock rate, in [0, 1].
            period_ns: Time that passes [ns].

        Returns:
            Wanted position (A,) [rad or m] and velocity (A,) [per s] after the period; without a
            chunk, the last position at rest.
        """
        if self._reference is None or self._speed is None:
            return position, np.zeros_like(position)
        rate = min(share, self._limits.fastest_rate(self._speed))
        remaining_ns = self._reference.duration_ns - self.elapsed_ns
        ramp_ns = self._limits.least_ramp_ns(self._speed)
        self.elapsed_ns += self._clock.step(period_ns, rate, remaining_ns, ramp_ns)
        value, self._speed = self._reference.at(self.elapsed_ns)
        velocity = self._speed * self._clock.rate
        driven = position + velocity * (period_ns / 1e9)
        return np.where(self._reference.by_velocity, driven, value), velocity
