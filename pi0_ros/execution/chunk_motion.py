"""The motion that a chunk asks for, compared with what the axes can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.axes import BaseAxis, Joint
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk

# How far beyond a position limit an action is nothing to speak of: networks miss by this [unit].
TOLERANCE = {"rad": 0.01, "m": 0.001}
JITTER_S = 0.01  # an action may be off by what its axis covers in this time at full speed [s]


@dataclass(frozen=True, eq=False)
class AxisBounds:
    """What A axes can do. Grippers snap from end to end on purpose: any velocity will do.

    Attributes:
        lower: Least position, (A,) [rad or m]; none for what is driven by velocity.
        upper: Greatest position, (A,) [rad or m].
        tolerance: How far beyond is nothing to speak of, (A,) [rad or m].
        velocity: Greatest speed, (A,) [per s].
        acceleration: Greatest acceleration, (A,) [per s²].
        placed: Columns that are positions of the arms, (A,) bool.
    """

    lower: np.ndarray
    upper: np.ndarray
    tolerance: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    placed: np.ndarray

    @staticmethod
    def of(embodiment: Embodiment) -> AxisBounds:
        """Collect them from a robot's YAML."""
        rows = [_bounds(axis) for axis in embodiment.axes]
        lower, upper, tolerance, velocity, acceleration, placed = np.array(rows).T
        return AxisBounds(lower, upper, tolerance, velocity, acceleration, placed > 0)

    @property
    def jitter(self) -> np.ndarray:
        """How far off an action may be, (A,) [rad or m]."""
        return self.velocity * JITTER_S


def _bounds(axis: Joint | BaseAxis) -> tuple[float, ...]:
    if isinstance(axis, BaseAxis) or axis.kind == "velocity":
        return -np.inf, np.inf, 1.0, axis.velocity, axis.acceleration, False
    if axis.gripper is not None:
        # Up to a stroke beyond its end it squeezes; far beyond the number is another convention's.
        return axis.lower, axis.upper, axis.upper - axis.lower, np.inf, np.inf, False
    return axis.lower, axis.upper, TOLERANCE[axis.unit], axis.velocity, axis.acceleration, True


@dataclass(frozen=True, eq=False)
class ChunkMotion:
    """Positions, ways and turns of H actions of A axes.

    Attributes:
        actions: (H, A) [rad, m, or per s].
        steps: Way from the action before, or what a velocity covers in a period, (H, A)
            [rad or m]; zero where nothing is known, at the first position.
        turns: Difference to the step before, (H, A) [rad or m]; zero where there is none.
        period_s: Time between two actions [s].
    """

    actions: np.ndarray
    steps: np.ndarray
    turns: np.ndarray
    period_s: float

    @staticmethod
    def of(chunk: ActionChunk) -> ChunkMotion:
        """Difference a chunk of finite numbers."""
        actions, by_velocity = np.asarray(chunk.actions, dtype=np.float64), chunk.by_velocity
        period_s = chunk.period_ns / 1e9
        steps = np.diff(actions, axis=0, prepend=actions[:1])
        steps[:, by_velocity] = actions[:, by_velocity] * period_s
        turns = np.diff(steps, axis=0, prepend=steps[:1])
        turns[1, ~by_velocity] = 0.0  # from no step to the first one
        return ChunkMotion(actions, steps, turns, period_s)

    def beyond(self, bounds: AxisBounds, pose: np.ndarray) -> np.ndarray:
        """Return by how many tolerances each action is beyond its position limit, (H, A).

        Args:
            bounds: Of the axes.
            pose: Where the axes stand, (A,): who stands outside must be able to come back; NaN
                where that is unknown.
        """
        below = np.fmin(bounds.lower, pose) - self.actions
        above = self.actions - np.fmax(bounds.upper, pose)
        return np.asarray(np.maximum(below, above) / bounds.tolerance)

    def velocity_haste(self, bounds: AxisBounds) -> np.ndarray:
        """Return how many times too fast each action comes for the velocity, (H, A)."""
        return np.asarray(np.abs(self.steps) / (bounds.velocity * self.period_s))

    def acceleration_haste(self, bounds: AxisBounds) -> np.ndarray:
        """Return how many times too fast each action comes for the acceleration, (H, A).

        Played n times slower, the same turn takes an acceleration n² times lower. What is jitter
        by its size is left to the executor's smoothing, at any rate.
        """
        left = np.abs(self.turns) - bounds.jitter
        fits = bounds.acceleration * self.period_s**2
        return np.asarray(np.sqrt(np.maximum(left, 0.0) / fits))

    def jump(self, bounds: AxisBounds, pose: np.ndarray) -> np.ndarray:
        """Return how long each axis needs at full speed to the first action, (A,) [s].

        Zero for what is no position of an arm, and where the pose (A,) [rad or m] is NaN.
        """
        way = np.where(bounds.placed, np.abs(self.actions[0] - pose), 0.0)
        return np.asarray(np.fmax(way / bounds.velocity, 0.0))
