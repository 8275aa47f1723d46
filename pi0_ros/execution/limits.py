"""Limits of joints and base: the last word on every sample, whatever the reference asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.spec import Embodiment

FAR = 1e9  # [rad or m]; no base gets there, and its way has no limit
ROUNDING = 1e-9  # a limit met exactly is not a limit touched [unit]
HEADROOM = 0.98  # of the velocity limit, used by the path; the rest is for rounding
BRAKING_SHARE = 0.9  # of the acceleration, for braking; the rest is for a target that brakes too


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Limits of A axes: position [rad or m], velocity [per s], acceleration [per s²]."""

    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray

    @staticmethod
    def of(embodiment: Embodiment) -> JointLimits:
        """Collect the limits of a robot's YAML, in the order of its axes."""
        axes = embodiment.axes
        ranges = [(a.lower, a.upper) if isinstance(a, Joint) else (-FAR, FAR) for a in axes]
        lower, upper = np.array(ranges).T
        return JointLimits(
            lower,
            upper,
            np.array([axis.velocity for axis in axes]),
            np.array([axis.acceleration for axis in axes]),
        )

    def fastest_rate(self, speed: np.ndarray) -> float:
        """Greatest clock rate up to 1 at which a path of speed (A,) [per s] keeps the velocity."""
        return 1 / max(1.0, float((np.abs(speed) / (HEADROOM * self.velocity)).max()))

    def least_ramp_ns(self, speed: np.ndarray) -> int:
        """Least time from full speed to standing on a path of speed (A,) [per s] in [ns]."""
        return round(1e9 * float((np.abs(speed) / (BRAKING_SHARE * self.acceleration)).max()))

    def follow(
        self,
        position: np.ndarray,
        velocity: np.ndarray,
        target: np.ndarray,
        target_velocity: np.ndarray,
        dt: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Move one period towards a target without exceeding any limit.

        A target within reach is met exactly; one out of reach is approached as fast as the limits
        allow and without overshoot. No velocity is taken that could not be braked before a
        position limit. A joint that stands beyond a limit may stay or move inwards, no farther.

        Args:
            position: Last position, (A,) [rad or m].
            velocity: Last velocity, (A,) [per s].
            target: Wanted position after the period, (A,).
            target_velocity: Wanted velocity there, (A,).
            dt: Period [s].

        Returns:
            Position (A,), velocity (A,), and which joints a limit held back (A,) bool.
        """
        lower = np.minimum(self.lower, position)
        upper = np.maximum(self.upper, position)
        wanted = (np.minimum(np.maximum(target, lower), upper) - position) / dt
        lag = wanted - target_velocity  # velocity needed beyond the target's own
        rooms = np.stack((np.abs(lag) * dt, upper - position, position - lower))
        closing, top, bottom = brakable(rooms, BRAKING_SHARE * self.acceleration, dt)
        wanted = target_velocity + np.minimum(np.maximum(lag, -closing), closing)
        wanted = np.minimum(np.maximum(wanted, -bottom), top)
        step = self.acceleration * dt
        fastest = np.minimum(velocity + step, self.velocity)
        slowest = np.maximum(velocity - step, -self.velocity)
        moved = np.minimum(np.maximum(wanted, slowest), fastest)
        reached = np.minimum(np.maximum(position + moved * dt, lower), upper)
        return reached, (reached - position) / dt, np.abs(reached - target) > ROUNDING


def brakable(room: np.ndarray | float, acceleration: np.ndarray | float, dt: float) -> np.ndarray:
    """Greatest velocity for the coming period that can be braked to zero within a room.

    In steps: a velocity v between n and n + 1 steps of ``acceleration * dt`` covers
    ``dt * ((n + 1) v - n (n + 1) / 2 * step)`` until it is zero. The root of a continuous law
    would be one step too fast, and break the acceleration or the position limit at its end.

    Args:
        room: Distance left, not negative, (..., A) [rad or m].
        acceleration: Greatest deceleration, (A,) [per s²].
        dt: Period [s].

    Returns:
        Velocities, (..., A) [per s].
    """
    step = acceleration * dt
    speed = room / dt
    n = np.floor((np.sqrt(1 + 8 * speed / step) - 1) / 2)
    return np.asarray((speed + step * n * (n + 1) / 2) / (n + 1))
