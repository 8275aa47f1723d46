"""Stopping from the end of what is committed, for a controller that hears nothing more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BPoly

from pi0_ros.embodiment.axes import JERK_TIME_S

POINTS = 10  # between them a controller's quintic is within 2 % of the profile's acceleration
SHARE = 0.9  # of acceleration and jerk; the rest is for those quintics, and for differences
ROUNDING = 1e-9  # of a speed [rad/s or m/s]
STANDING = 1e-6  # [rad/s or m/s]; slower than this is rounding


@dataclass(frozen=True, eq=False)
class Stop:
    """A way of J joints to rest; row 0 is where and how it begins, the last one stands.

    Attributes:
        times_ns: After the beginning, (K,) [ns].
        positions: (K, J) [rad or m].
        velocities: (K, J) [per s].
        accelerations: (K, J) [per s²].
    """

    times_ns: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    accelerations: np.ndarray

    def at(self, elapsed_ns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return position, velocity and acceleration after a time [ns], (J,) each.

        Between its points lie the quintics that a controller plays; after the last it stands.
        """
        seconds, end = self.times_ns / 1e9, min(elapsed_ns, int(self.times_ns[-1])) / 1e9
        points = np.stack([self.positions, self.velocities, self.accelerations], axis=1)
        curve = BPoly.from_derivatives(seconds, points)
        position, velocity, acceleration = (np.asarray(curve(end, order)) for order in range(3))
        return position, velocity, acceleration


class Stopping:
    """Brings each joint to rest by itself, as fast as its acceleration and jerk allow.

    The executor moves no joint so that it could not stop before its limits; therefore the fastest
    stop, and hardly a slower one, ends within them.

    Args:
        lower: Least position, (J,) [rad or m].
        upper: Greatest position, (J,).
        velocity: Greatest speed, (J,) [per s].
        acceleration: Greatest acceleration, (J,) [per s²].
        jerk: Greatest jerk, (J,) [per s³].

    Source: Biagiotti and Melchiorri 2008, Trajectory Planning for Automatic Machines and Robots,
    section 3.4 (double S), with an acceleration at the start.
    """

    def __init__(
        self,
        lower: np.ndarray,
        upper: np.ndarray,
        velocity: np.ndarray,
        acceleration: np.ndarray,
        jerk: np.ndarray,
    ) -> None:
        """Remember the limits."""
        self._lower, self._upper = lower, upper
        self._velocity, self._acceleration, self._jerk = velocity, acceleration, jerk
        self._gentle_jerk = np.minimum(jerk, acceleration / JERK_TIME_S)

    def after(self, positions: np.ndarray, period_s: float) -> Stop | None:
        """Stop after the last of some positions; None where they stand, or are fewer than three.

        Args:
            positions: Of one joint per column, one period apart, (N, J) [rad or m].
            period_s: The period [s].
        """
        if len(positions) < 3:
            return None
        before, middle, last = positions[-3:]
        velocity = (last - middle) / period_s
        acceleration = (velocity - (middle - before) / period_s) / period_s
        if (np.abs(velocity) < STANDING).all() and (
            np.abs(acceleration) * period_s < STANDING
        ).all():
            return None
        velocity = np.minimum(np.maximum(velocity, -self._velocity), self._velocity)
        acceleration = np.minimum(np.maximum(acceleration, -self._acceleration), self._acceleration)
        jerk = self._gentle_jerk
        for _ in range(2):
            times_s, way, speeds, accelerations = _profile(
                velocity, acceleration, SHARE * self._acceleration, SHARE * jerk
            )
            room = np.where(way[-1] > 0, self._upper - last, last - self._lower)
            share = np.minimum(1.0, np.maximum(room, 0.0) / np.maximum(np.abs(way[-1]), 1e-12))
            is_fast = np.abs(speeds).max(axis=0) > self._velocity + ROUNDING
            if not (is_fast | (share < 1.0)).any():
                break
            jerk = np.where(is_fast | (share < 1.0), self._jerk, jerk)  # no room to be gentle
        return Stop(
            np.rint(1e9 * times_s).astype(np.int64),
            last + share * way,
            share * speeds,
            share * accelerations,
        )


def _profile(
    v0: np.ndarray, a0: np.ndarray, acceleration: np.ndarray, jerk: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return times (K,) [s], and way, velocity and acceleration at each, (K, J).

    Three phases: jerk towards the deceleration, deceleration, jerk back to none.
    """
    # Mirrored so that a joint still moves forwards when its acceleration has become zero.
    sign = np.where(v0 + a0 * np.abs(a0) / (2 * jerk) < 0, -1.0, 1.0)
    v0, a0 = sign * v0, sign * a0
    needed = np.sqrt(np.maximum(jerk * v0 + a0 * a0 / 2, 0.0))
    peak = np.minimum(needed, np.maximum(acceleration, -a0))
    left = np.maximum(v0 + (a0 * a0 - 2 * peak * peak) / (2 * jerk), 0.0)
    first = (a0 + peak) / jerk
    second = first + left / np.maximum(peak, 1e-12)
    end = second + peak / jerk
    times_s = np.linspace(0.0, float(end.max()), POINTS + 1)
    # The jerk is -j from the beginning, changes by +j at the end of either phase, and ends.
    t = np.minimum(times_s[:, None], end)
    u, w = np.maximum(t - first, 0.0), np.maximum(t - second, 0.0)
    t2, u2, w2 = t * t, u * u, w * w
    accelerations = a0 + jerk * (u + w - t)
    speeds = v0 + a0 * t + jerk / 2 * (u2 + w2 - t2)
    way = v0 * t + a0 / 2 * t2 + jerk / 6 * (u * u2 + w * w2 - t * t2)
    speeds[-1] = accelerations[-1] = 0.0  # as said, without rounding
    return times_s, sign * way, sign * speeds, sign * accelerations
