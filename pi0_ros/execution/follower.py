"""The follower: the last word on every sample. It moves towards a target and breaks no limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.execution.limits import JointLimits, stoppable, stopping_distance

ROUNDING = 1e-9  # what a floating-point number may be off [unit]
# Shares of acceleration and jerk that catch up with a target, whose own motion needs the rest.
CATCHING_SHARE = 0.5
# Close to its target an axis closes in like a damped spring, in so many periods.
CLOSING_PERIODS = 8
# An axis off its target returns to it exactly where that needs this share of the jerk: matching a
# position alone is paid back threefold in the next steps.
RETURNING_SHARE = 0.5
HALVINGS = 7  # of an acceleration that cannot be taken
BOTH_WAYS = np.array([[1.0], [-1.0]])  # up and down


@dataclass(frozen=True, eq=False)
class Motion:
    """Position [rad or m], velocity [per s] and acceleration [per s²] of A axes, (A,) each."""

    position: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray

    @staticmethod
    def resting(position: np.ndarray) -> Motion:
        """Stand at a position, (A,)."""
        return Motion(position, np.zeros_like(position), np.zeros_like(position))


class Follower:
    """Moves A axes period by period; velocities and accelerations are differences of positions.

    Attributes:
        motion: Where the axes are and how they move.
        is_off: Which axes are not where their target was, (A,) bool.
    """

    def __init__(self, width: int) -> None:
        """Start standing at zero."""
        self.rest(np.zeros(width))

    def rest(self, position: np.ndarray) -> None:
        """Stand at a position, (A,) [rad or m]."""
        self.resume(Motion.resting(position))

    def resume(self, motion: Motion) -> None:
        """Go on with a motion."""
        self.motion = motion
        self.is_off = np.zeros(len(motion.position), dtype=bool)
        self._target: Motion | None = None  # of the period before
        self._limits: JointLimits | None = None  # likewise

    def step(self, target: Motion, limits: JointLimits, dt: float) -> None:
        """Move one period towards where a target is afterwards.

        A target within reach is met exactly. One out of reach is approached as fast as the limits
        allow and without overshoot. No state is entered that could not be braked within the limits:
        a joint that stands beyond a position limit may stay or move inwards, no farther.

        Args:
            target: Wanted after the period.
            limits: Of the axes.
            dt: Period [s].
        """
        now = self.motion
        if limits is not self._limits:  # a base that stops: what it was after counts no more
            self._limits, self._target = limits, None
        change = limits.jerk * dt
        lower = np.minimum(limits.lower, now.position)
        upper = np.maximum(limits.upper, now.position)
        wanted = np.minimum(np.maximum(target.position, lower), upper)
        acceleration = ((wanted - now.position) / dt - now.velocity) / dt
        within = np.abs(acceleration - now.acceleration) <= change * np.where(
            self.is_off, RETURNING_SHARE, 1.0 + ROUNDING
        )
        within &= np.abs(acceleration) <= limits.acceleration
        bounds = None
        if not limits.are_far(now.position, now.velocity, acceleration):
            bounds = _Bounds(now, limits, dt)
            within &= ~bounds.beyond(acceleration).any(axis=0)
        if not within.all():
            bounds = bounds or _Bounds(now, limits, dt)
            caught = _catch_up(now, self._aim(target), limits, dt)
            falling, rising = now.acceleration - change, now.acceleration + change
            least = np.clip(-limits.acceleration, falling, rising)
            most = np.clip(limits.acceleration, falling, rising)
            caught = np.minimum(np.maximum(caught, least), most)
            caught = bounds.allowed(caught, least, most)
            acceleration = np.where(within, acceleration, caught)
        velocity = now.velocity + acceleration * dt
        # What is met exactly is taken exactly, without rounding.
        position = np.where(within, wanted, now.position + velocity * dt)
        self.motion = Motion(position, velocity, acceleration)
        self.is_off = np.abs(position - target.position) > ROUNDING
        self._target = target

    def stride(self, path: Motion, limits: JointLimits, dt: float) -> Motion | None:
        """Move many periods along a path that is within reach; nothing where it might not be.

        Args:
            path: Wanted after each period, (N, A) each.
            limits: Of the axes.
            dt: Period [s].

        Returns:
            Each sample, (N, A) each: the path's positions, and their differences.
        """
        if (self.is_off & limits.paced).any():
            return None
        start = self.motion
        lower = np.minimum(limits.lower, start.position)
        upper = np.maximum(limits.upper, start.position)
        wanted = np.minimum(np.maximum(path.position, lower), upper)
        is_off = np.abs(wanted - path.position) > ROUNDING
        positions = np.vstack([start.position, wanted])
        velocities = np.vstack([start.velocity, np.diff(positions, axis=0) / dt])
        accelerations = np.vstack([start.acceleration, np.diff(velocities, axis=0) / dt])
        change = limits.jerk * dt * np.where(self.is_off, RETURNING_SHARE, 1.0)
        if (is_off & limits.paced).any() or (np.abs(np.diff(accelerations, axis=0)) > change).any():
            return None
        before, taken = (
            Motion(positions[:-1], velocities[:-1], accelerations[:-1]),
            accelerations[1:],
        )
        bounds = _Bounds(before, limits, dt)
        if (np.abs(taken) > limits.acceleration).any() or bounds.beyond(taken).any():
            return None
        self.motion = Motion(positions[-1], velocities[-1], accelerations[-1])
        self.is_off = is_off[-1]
        self._target = Motion(path.position[-1], path.velocity[-1], path.acceleration[-1])
        return Motion(positions[1:], velocities[1:], accelerations[1:])

    def _aim(self, target: Motion) -> Motion:
        """Return a target with the velocity and acceleration that its positions' differences have.

        Those of its curve at the end of a period are half a period and one period ahead of them.
        """
        before = self._target
        if before is None:
            return target
        velocity = (target.velocity + before.velocity) / 2
        return Motion(target.position, velocity, before.acceleration)


class _Bounds:
    """Which accelerations of the coming period lead to a state that can be braked within limits.

    Upwards and downwards are computed together, as (2, A), or as (2, N, A) of many periods.
    """

    def __init__(self, now: Motion, limits: JointLimits, dt: float) -> None:
        self._dt = dt
        self._speed = limits.velocity + ROUNDING
        self._acceleration, self._jerk = limits.braking
        self._full_jerk = limits.jerk
        # A joint beyond its limit may stay where it is.
        many = now.position.ndim == 2
        self._both = BOTH_WAYS[:, None] if many else BOTH_WAYS
        room = (limits.walls[:, None] if many else limits.walls) - self._both * now.position
        self._room = np.maximum(room, 0.0) + ROUNDING
        self._velocity = now.velocity * self._both

    def beyond(self, acceleration: np.ndarray) -> np.ndarray:
        """Say which axes would move too fast, or could not stop within their range, (2, ...) bool.

        The state after the period is followed to where its acceleration has become zero. One that
        brakes already is followed back to where it began.
        """
        a = acceleration * self._both
        v = self._velocity + a * self._dt
        tau = a / self._jerk
        peak = v + a * tau / 2
        turn = v * self._dt + tau * (v + a * tau / 3)
        end = turn + stopping_distance(np.maximum(peak, 0.0), self._acceleration, self._jerk)
        fastest = v + np.maximum(a, 0.0) * (a / self._full_jerk + self._dt) / 2
        return np.asarray((fastest > self._speed) | ((peak > 0.0) & (end > self._room)))

    def allowed(self, wanted: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
        """Return the acceleration next to a wanted one that may be taken, (A,) [per s²]."""
        is_bad = self.beyond(wanted)
        for way, end in enumerate((least, most)):
            bad = is_bad[way]
            if bad.any():
                good = end
                for _ in range(HALVINGS):
                    middle = (good + wanted) / 2
                    too_far = self.beyond(middle)[way]
                    wanted = np.where(bad & too_far, middle, wanted)
                    good = np.where(bad & ~too_far, middle, good)
                wanted = np.where(bad, good, wanted)
        return wanted


def _catch_up(now: Motion, target: Motion, limits: JointLimits, dt: float) -> np.ndarray:
    """Return the acceleration that brings axes to a moving target and into step with it, (A,).

    The relative motion is that of a stop: from the way left follows a speed, and from the speed
    that is missing an acceleration.
    """
    a_limit, j_limit = CATCHING_SHARE * limits.acceleration, CATCHING_SHARE * limits.jerk
    # A target that no axis could follow is not run after, but gone to.
    pace = np.clip(target.velocity, -limits.velocity, limits.velocity)
    way = target.position - pace * dt - now.position
    length = np.abs(way)
    closing = np.minimum(stoppable(length, a_limit, j_limit), length / (CLOSING_PERIODS * dt))
    speed = np.clip(pace + np.copysign(closing, way), -limits.velocity, limits.velocity)
    wanted = np.clip(target.acceleration, -a_limit, a_limit)
    missing = speed - now.velocity
    lack = np.abs(missing)
    push = np.minimum(np.sqrt(2 * j_limit * lack), lack / (CLOSING_PERIODS / 2 * dt))
    return np.asarray(wanted + np.copysign(np.minimum(push, limits.acceleration), missing))
