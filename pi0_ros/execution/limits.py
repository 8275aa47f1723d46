"""Limits of joints and base, and what can be braked within them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pi0_ros.embodiment.axes import BaseAxis, Joint
from pi0_ros.embodiment.spec import Embodiment

FAR = 1e9  # [rad or m]; no base gets there, and its way has no limit
BRAKING_SHARE = 0.85  # of acceleration and jerk, counted on for a stop; the rest is for the steps
HEADROOM = 0.98  # of the velocity limit, used by the path; the rest is for rounding
CLOCK_SHARE = 0.8  # of acceleration and jerk, for changes of the clock; the rest is the path's own
# A base that must stop does so in this share of what its driver's timeout leaves: 3/4 of it at the
# greatest deceleration, 1/4 to get there.
STOPPING_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Limits of A axes.

    Attributes:
        lower: Least position, (A,) [rad or m].
        upper: Greatest position, (A,) [rad or m].
        velocity: Greatest speed, (A,) [per s].
        acceleration: Greatest acceleration, (A,) [per s²].
        jerk: Greatest jerk, (A,) [per s³].
        paced: Axes for which the trajectory clock slows, (A,) bool: all but grippers, which trail
            where they are told to open or close at once.
    """

    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    paced: np.ndarray

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
            np.array([axis.greatest_jerk for axis in axes]),
            np.array([not isinstance(axis, Joint) or axis.gripper is None for axis in axes]),
        )

    def stopping(self, embodiment: Embodiment) -> JointLimits:
        """Return the same with a base that stops from any speed within its driver's timeout.

        What is committed to the controllers until the stop takes effect counts, too. A driver that
        hears nothing for so long stops harder.
        """
        base = embodiment.base
        if base is None:
            return self
        drives = np.array([isinstance(axis, BaseAxis) for axis in embodiment.axes])
        left_s = max(base.timeout_ms - embodiment.command.lead_ms, 1.0) / 1e3 * STOPPING_SHARE
        deceleration = np.where(drives, self.velocity / (0.75 * left_s), 0.0)
        return replace(
            self,
            acceleration=np.maximum(self.acceleration, deceleration),
            jerk=np.maximum(self.jerk, deceleration / (0.25 * left_s)),
        )

    @cached_property
    def braking(self) -> tuple[np.ndarray, np.ndarray]:
        """Acceleration (A,) [per s²] and jerk (A,) [per s³] that are counted on for a stop."""
        return BRAKING_SHARE * self.acceleration, BRAKING_SHARE * self.jerk

    @cached_property
    def walls(self) -> np.ndarray:
        """How far is up, and how far is down, from zero, (2, A) [rad or m]."""
        return np.stack((self.upper, -self.lower))

    @cached_property
    def _calm(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Speed (A,) and range (A,), (A,) within which no acceleration leads to a limit soon."""
        acceleration, jerk = self.braking
        # What full acceleration adds while it is taken back, twice over: for the period before.
        gained = self.acceleration**2 / jerk
        calm = np.maximum((self.velocity - gained) / 2, 0.0)
        room = 2 * stopping_distance(calm + gained, acceleration, jerk)
        return calm, self.lower + room, self.upper - room

    def are_far(self, position: np.ndarray, velocity: np.ndarray, acceleration: np.ndarray) -> bool:
        """Say that no axis can come near a limit of position or velocity in the coming period.

        Args:
            position: Of the axes, (A,) [rad or m].
            velocity: Of the axes, (A,) [per s].
            acceleration: In the coming period, (A,) [per s²], within its limit.
        """
        calm, lower, upper = self._calm
        is_far = (np.abs(velocity) < calm) & (position > lower) & (position < upper)
        return bool((is_far | ((velocity == 0.0) & (acceleration == 0.0))).all())

    def fastest_rate(self, speed: np.ndarray) -> float:
        """Greatest clock rate up to 1 at which a path of speed (A,) [per s] keeps the velocity."""
        return 1 / max(1.0, float((np.abs(speed) * self.paced / self.velocity).max()) / HEADROOM)

    def gentlest_clock(self, speed: np.ndarray) -> tuple[float, float]:
        """Say how fast the clock's rate may change on a path of speed (A,) [per s].

        Returns:
            Greatest slope [1/s] and greatest curvature [1/s²] of the rate.
        """
        moved = np.abs(speed) * self.paced + 1e-9
        return (
            CLOCK_SHARE * float((self.acceleration / moved).min()),
            CLOCK_SHARE * float((self.jerk / moved).min()),
        )


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


def stopping_distance(speed: np.ndarray, acceleration: np.ndarray, jerk: np.ndarray) -> np.ndarray:
    """Distance from a speed without acceleration to standing, with acceleration and jerk limited.

    Args:
        speed: Not negative, (..., A) [per s].
        acceleration: Greatest deceleration, (A,) [per s²].
        jerk: Greatest jerk, (A,) [per s³].

    Returns:
        Distances, (..., A) [rad or m].

    Source: Biagiotti and Melchiorri 2008, Trajectory Planning for Automatic Machines and Robots,
    section 3.4 (double S).
    """
    long = speed / acceleration + acceleration / jerk  # its middle part at full deceleration
    short = 2 * np.sqrt(speed / jerk)
    return np.asarray(speed / 2 * np.where(speed * jerk > acceleration**2, long, short))


def stoppable(room: np.ndarray, acceleration: np.ndarray, jerk: np.ndarray) -> np.ndarray:
    """Greatest speed from which standing is reached within a room; see `stopping_distance`.

    Args:
        room: Distance left, not negative, (..., A) [rad or m].
        acceleration: Greatest deceleration, (A,) [per s²].
        jerk: Greatest jerk, (A,) [per s³].

    Returns:
        Speeds, (..., A) [per s].
    """
    half = acceleration**2 / (2 * jerk)
    long = np.sqrt(half**2 + 2 * acceleration * room) - half
    short = np.cbrt(room**2 * jerk)
    return np.asarray(np.where(short * jerk > acceleration**2, long, short))
