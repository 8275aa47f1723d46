"""Joint limits: the last word on every sample, whatever the reference asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.spec import Embodiment

ROUNDING = 1e-9  # a limit met exactly is not a limit touched [unit]
HEADROOM = 0.98  # of the velocity limit, used by the path; the rest is for rounding
BRAKING_SHARE = 0.9  # of the acceleration, kept for braking in steps of one period


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Limits of D joints: position [rad or m], velocity [per s], acceleration [per s²]."""

    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray

    @staticmethod
    def of(embodiment: Embodiment) -> JointLimits:
        """Collect the limits of a robot's YAML, in the order of its joints."""
        joints = embodiment.joints
        return JointLimits(
            np.array([j.lower for j in joints]),
            np.array([j.upper for j in joints]),
            np.array([j.velocity for j in joints]),
            np.array([j.acceleration for j in joints]),
        )

    def fastest_rate(self, slope: np.ndarray) -> float:
        """Greatest clock rate up to 1 at which a path of slope (D,) [per s] keeps the velocity."""
        allowed = HEADROOM * self.velocity
        return float((allowed / np.maximum(np.abs(slope), allowed)).min())

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
        allow and without overshoot. Near a position limit the velocity is bounded by what can
        still be braked.

        Args:
            position: Last position, (D,) [rad or m].
            velocity: Last velocity, (D,) [per s].
            target: Wanted position after the period, (D,).
            target_velocity: Wanted velocity there, (D,).
            dt: Period [s].

        Returns:
            Position (D,), velocity (D,), and which joints a limit held back (D,) bool.
        """
        wanted = (np.clip(target, self.lower, self.upper) - position) / dt
        a = BRAKING_SHARE * self.acceleration
        lag = wanted - target_velocity  # velocity needed beyond the target's own
        catching_up = np.sqrt(2 * a * np.abs(lag) * dt)
        wanted = target_velocity + np.clip(lag, -catching_up - a * dt, catching_up + a * dt)
        room_up = np.sqrt(2 * a * np.maximum(self.upper - position, 0))
        room_down = np.sqrt(2 * a * np.maximum(position - self.lower, 0))
        top = np.minimum.reduce([self.velocity, room_up, (self.upper - position) / dt])
        bottom = -np.minimum.reduce([self.velocity, room_down, (position - self.lower) / dt])
        step = self.acceleration * dt
        free = np.clip(wanted, bottom, top)
        moved = np.clip(free, velocity - step, velocity + step)
        moved = np.clip(moved, -self.velocity, self.velocity)
        reached = np.clip(position + moved * dt, self.lower, self.upper)
        touched = np.abs(reached - target) > ROUNDING
        return reached, (reached - position) / dt, touched
