"""The reference: a smooth path through the actions of one chunk, joined without a jump."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.execution.follower import Motion
from pi0_ros.execution.smoothing import PathLimits, smoothed

# Greatest derivatives on [0, 1] of the three parts of a fade: of an offset,
# 1 - 10 s³ + 15 s⁴ - 6 s⁵, of a slope, s - 6 s³ + 8 s⁴ - 3 s⁵, and of a curvature,
# (s² - 3 s³ + 3 s⁴ - s⁵) / 2.
OFFSET_PEAK_SLOPE = 1.875
OFFSET_PEAK_CURVATURE = 10 / math.sqrt(3)
OFFSET_PEAK_JERK = 60.0
SLOPE_PEAK_CURVATURE = 3.95
SLOPE_PEAK_JERK = 36.0
CURVATURE_PEAK_JERK = 9.0
# Their coefficients of s⁵ to 1, (6, 3).
PARTS = np.array([[-6, -3, -0.5], [15, 8, 1.5], [-10, -6, -1.5], [0, 0, 0.5], [0, 1, 0], [1, 0, 0]])
SLOPE_SHARE = 0.7  # of the robot's limits, used by the fade of a slope or a curvature
SHORTEST_NS = 50_000_000  # of the fade of a slope or a curvature


class ChunkCurve:
    """Piecewise cubic through a chunk's actions, positions or velocities.

    Positions of arms are smoothed, and have a continuous curvature. Those of grippers, velocities,
    and what no smoothing makes playable, do not overshoot between two actions: no gripper opens
    beyond its target. The ends are held; but a velocity is zero from the last action on: a base
    drives no farther than it was told.

    Args:
        chunk: At least two actions.
        shaped: Columns that do not overshoot, (A,) bool.
        limits: What positions of arms are smoothed to.

    Source:
        Fritsch and Carlson 1980, monotone piecewise cubic interpolation, for the latter.
    """

    def __init__(self, chunk: ActionChunk, shaped: np.ndarray, limits: PathLimits) -> None:
        """Fit the curve once; reading it costs one small polynomial."""
        period_s = chunk.period_ns / 1e9
        times = np.arange(chunk.horizon) * period_s
        # (4, H - 1, A): coefficients of each piece, highest power first, in seconds.
        positions, is_rough = smoothed(chunk.actions, period_s, limits)
        positions = np.where(shaped, chunk.actions, positions)
        c = CubicSpline(times, positions, axis=0, bc_type="natural").c
        shaped = shaped | is_rough  # what jumps would ring
        if shaped.any():
            c[:, :, shaped] = PchipInterpolator(times, positions[:, shaped], axis=0).c
        self._values = np.ascontiguousarray(c.transpose(1, 0, 2))  # (H - 1, 4, A)
        self._slopes = self._values[:, :3] * np.array([[3.0], [2.0], [1.0]])
        self._curvatures = self._slopes[:, :2] * np.array([[2.0], [1.0]])
        self._period_ns = chunk.period_ns
        self._end = np.where(chunk.by_velocity, 0.0, positions[-1])
        self.duration_ns = (chunk.horizon - 1) * chunk.period_ns

    def at(self, elapsed_ns: int) -> Motion:
        """Read value (A,), slope and curvature by the chunk's time at a time since its start."""
        if elapsed_ns >= self.duration_ns:
            return Motion.resting(self._end)
        piece, within_ns = divmod(max(elapsed_ns, 0), self._period_ns)
        x = within_ns / 1e9
        powers = np.array([x * x * x, x * x, x, 1.0])
        return Motion(
            powers @ self._values[piece],
            powers[1:] @ self._slopes[piece],
            powers[2:] @ self._curvatures[piece],
        )

    def along(self, elapsed_ns: np.ndarray) -> Motion:
        """Read it at many times before its end, (N,) [ns]: (N, A) each."""
        pieces, within_ns = np.divmod(elapsed_ns, self._period_ns)
        x = within_ns / 1e9
        powers = np.stack([x * x * x, x * x, x, np.ones_like(x)], axis=1)[:, :, None]
        return Motion(
            (powers * self._values[pieces]).sum(axis=1),
            (powers[:, 1:] * self._slopes[pieces]).sum(axis=1),
            (powers[:, 2:] * self._curvatures[pieces]).sum(axis=1),
        )


@dataclass(frozen=True, eq=False)
class OffsetFade:
    """A difference that vanishes smoothly: quintic, with curvature zero at its end.

    Attributes:
        difference: Offset, slope and curvature by the chunk's time at the join, (A,) each.
        durations_ns: Chunk's time until each of the three is gone, (3, A) [ns].
    """

    difference: Motion
    durations_ns: np.ndarray

    @cached_property
    def duration_ns(self) -> int:
        """Chunk's time until all of it is gone [ns]."""
        return int(self.durations_ns.max())

    @cached_property
    def _coefficients(self) -> np.ndarray:
        """Coefficients of s⁵ to 1, of each part and of its two derivatives, (6, 3, 3, A)."""
        t = self.durations_ns / 1e9
        d = self.difference
        sizes = np.stack([d.position, d.velocity * t[1], d.acceleration * t[2] ** 2])
        value = PARTS[:, :, None] * sizes  # (6, 3, A)
        powers = np.arange(5.0, 0.0, -1.0)[:, None, None]
        slope = np.concatenate([0 * value[:1], powers * value[:5]]) / t
        curvature = np.concatenate([0 * value[:1], powers * slope[:5]]) / t
        return np.stack([value, slope, curvature], axis=1)

    def at(self, elapsed_ns: int) -> Motion | None:
        """Return what is left of offset, slope and curvature (A,), None where all is gone."""
        if elapsed_ns >= self.duration_ns:
            return None
        s = np.minimum(elapsed_ns / self.durations_ns, 1.0)
        c = self._coefficients
        left = c[0]
        for coefficient in c[1:]:
            left = left * s + coefficient
        return Motion(*left.sum(axis=1))

    def along(self, elapsed_ns: np.ndarray) -> Motion | None:
        """Return what is left at many times, (N,) [ns]: (N, A) each, None where all is gone."""
        if elapsed_ns[0] >= self.duration_ns:
            return None
        s = np.minimum(elapsed_ns[:, None, None] / self.durations_ns, 1.0)[:, None]
        c = self._coefficients
        left = c[0]
        for coefficient in c[1:]:
            left = left * s + coefficient
        is_there = (elapsed_ns < self.duration_ns)[:, None, None]
        return Motion(*np.moveaxis(left.sum(axis=2) * is_there, 1, 0))


@dataclass(frozen=True, eq=False)
class Reference:
    """A chunk's curve plus the fading difference to what was commanded before the join.

    Attributes:
        chunk: The chunk that is played.
        by_velocity: Which of its columns are velocities, (A,) bool.
        curve: The smooth path through it.
        joined_ns: Chunk's time at the join [ns].
        fade: What is left of the difference, by the time since the join.
    """

    chunk: ActionChunk
    by_velocity: np.ndarray
    curve: ChunkCurve
    joined_ns: int
    fade: OffsetFade

    @cached_property
    def duration_ns(self) -> int:
        """Chunk's time at which the last action is reached and the fade is over [ns]."""
        return max(self.curve.duration_ns, self.joined_ns + self.fade.duration_ns)

    def at(self, elapsed_ns: int) -> Motion:
        """Read the path.

        Args:
            elapsed_ns: Time since the chunk's start [ns].

        Returns:
            Position, speed and acceleration along the path by the chunk's time, (A,) each. Of a
            column of velocities the position is not known: it is zero.
        """
        path, left = self.curve.at(elapsed_ns), self.fade.at(elapsed_ns - self.joined_ns)
        return _as_positions(_sum(path, left), self.by_velocity)

    def along(self, elapsed_ns: np.ndarray) -> Motion:
        """Read a path of positions at many times before the chunk's end, (N,) [ns]: (N, A) each."""
        return _sum(self.curve.along(elapsed_ns), self.fade.along(elapsed_ns - self.joined_ns))


@dataclass(frozen=True, eq=False)
class JoinLimits:
    """How quickly a difference may fade.

    Attributes:
        shortest_ns: Least duration of a fade [ns].
        velocity: Greatest speed that the fade of a position may add, (A,) [rad/s or m/s].
        acceleration: Greatest acceleration of an offset's fade, (A,) [rad/s² or m/s²].
        jerk: Greatest jerk of an offset's fade, (A,) [rad/s³ or m/s³].
        shaped: Columns that do not overshoot, (A,) bool.
        path: The robot's whole limits; what the chunk's positions are smoothed to.
    """

    shortest_ns: int
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    shaped: np.ndarray
    path: PathLimits


def join(
    chunk: ActionChunk, elapsed_ns: int, position: np.ndarray, before: Motion | None,
    limits: JoinLimits,
) -> Reference:  # fmt: skip
    """Join a chunk to what was commanded before: position, velocity and acceleration continuous.

    A far-off chunk is joined by a longer fade: the ramp to the first action is the same thing.

    Args:
        chunk: The new chunk.
        elapsed_ns: The chunk's time at the join [ns].
        position: Position at the join, (A,) [rad or m]; of no matter where velocities are given.
        before: Speed and acceleration along the path before, by trajectory time, (A,) each; None
            where the clock stands, so that any is continuous.
        limits: How quickly the difference may fade.
    """
    by_velocity = chunk.by_velocity
    curve = ChunkCurve(chunk, by_velocity | limits.shaped, limits.path)
    path = curve.at(elapsed_ns)
    speed, turn = (path.velocity, path.acceleration) if before is None else (
        before.velocity, before.acceleration
    )  # fmt: skip
    if before is None:
        speed = np.where(by_velocity, path.position, speed)
        turn = np.where(by_velocity, path.velocity, turn)
    difference = Motion(
        np.where(by_velocity, speed, position) - path.position,
        np.where(by_velocity, turn, speed) - path.velocity,
        np.where(by_velocity, 0.0, turn - path.acceleration),
    )
    durations_ns = _fade_durations_ns(difference, by_velocity, limits)
    return Reference(chunk, by_velocity, curve, elapsed_ns, OffsetFade(difference, durations_ns))


def _sum(path: Motion, left: Motion | None) -> Motion:
    if left is None:
        return path
    return Motion(
        path.position + left.position,
        path.velocity + left.velocity,
        path.acceleration + left.acceleration,
    )


def _as_positions(path: Motion, by_velocity: np.ndarray) -> Motion:
    """Read the value of a column of velocities as a speed, and its slope as an acceleration."""
    if not by_velocity.any():
        return path
    return Motion(
        np.where(by_velocity, 0.0, path.position),
        np.where(by_velocity, path.position, path.velocity),
        np.where(by_velocity, path.velocity, path.acceleration),
    )


def _fade_durations_ns(
    difference: Motion, by_velocity: np.ndarray, limits: JoinLimits
) -> np.ndarray:
    """Return how long each part of each difference fades, (3, A) [ns].

    Offsets of positions fade together, and those of velocities: apart, because a base that is told
    to stop must not roll on while an arm comes from afar. Slopes and curvatures fade each in its
    own time, and as fast as the robot can, because the longer they do, the farther they lead away;
    a curvature therefore never longer than an offset has to, and the follower does the rest.
    """
    offset, slope = np.abs(difference.position), np.abs(difference.velocity)
    # What bounds the first, second and third derivative of a fade; of a velocity's, the first is
    # an acceleration, and the third is nobody's.
    first = np.where(by_velocity, limits.acceleration, limits.velocity)
    second = np.where(by_velocity, limits.jerk, limits.acceleration)
    third = np.where(by_velocity, np.inf, limits.jerk)
    needed = np.maximum.reduce(
        [
            OFFSET_PEAK_SLOPE * offset / first,
            np.sqrt(OFFSET_PEAK_CURVATURE * offset / second),
            np.cbrt(OFFSET_PEAK_JERK * offset / third),
        ]
    )
    offsets_s = np.full(len(offset), limits.shortest_ns / 1e9)
    for columns in (by_velocity, ~by_velocity):
        offsets_s[columns] = max(offsets_s[0], float(needed[columns].max(initial=0.0)))
    whole = limits.path
    second = SLOPE_SHARE * np.where(by_velocity, whole.jerk, whole.acceleration)
    third = np.where(by_velocity, np.inf, SLOPE_SHARE * whole.jerk)
    slopes_s = np.maximum(
        SLOPE_PEAK_CURVATURE * slope / second, np.sqrt(SLOPE_PEAK_JERK * slope / third)
    )
    curvatures_s = CURVATURE_PEAK_JERK * np.abs(difference.acceleration) / third
    shortest_s = SHORTEST_NS / 1e9
    parts_s = (
        offsets_s,
        np.maximum(slopes_s, shortest_s),
        np.clip(curvatures_s, shortest_s, limits.shortest_ns / 1e9),
    )
    return np.asarray(np.rint(1e9 * np.stack(parts_s)), dtype=np.int64)
