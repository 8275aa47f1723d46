"""The reference: a smooth path through the actions of one chunk, joined without a jump."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import PchipInterpolator

from pi0_ros.execution.chunk import ActionChunk

# Greatest slope and curvature on [0, 1] of the two parts of a fade: of an offset,
# 1 - 10 s³ + 15 s⁴ - 6 s⁵, and of a slope, s - 6 s³ + 8 s⁴ - 3 s⁵.
OFFSET_PEAK_SLOPE = 1.875
OFFSET_PEAK_CURVATURE = 10 / math.sqrt(3)
SLOPE_PEAK_CURVATURE = 3.95


class ChunkCurve:
    """Shape-preserving cubic through a chunk's actions, positions or velocities.

    The ends are held; but a velocity is zero from the last action on: a base drives no farther
    than it was told.

    Source:
        Fritsch and Carlson 1980, monotone piecewise cubic interpolation: no overshoot between
        actions, so that no gripper opens beyond its target.
    """

    def __init__(self, chunk: ActionChunk) -> None:
        """Fit the curve once; reading it costs one small polynomial."""
        times = np.arange(chunk.horizon) * (chunk.period_ns / 1e9)
        # (4, H - 1, A): coefficients of each piece, highest power first, in seconds.
        self._coefficients = PchipInterpolator(times, chunk.actions, axis=0).c
        self._period_ns = chunk.period_ns
        self._end = np.where(chunk.by_velocity, 0.0, chunk.actions[-1])
        self.duration_ns = (chunk.horizon - 1) * chunk.period_ns

    def at(self, elapsed_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the curve.

        Args:
            elapsed_ns: Time since the chunk's start [ns].

        Returns:
            Value (A,) [rad, m, or per s] and its derivative by the chunk's time (A,) [per s].
        """
        if elapsed_ns >= self.duration_ns:
            return self._end, np.zeros_like(self._end)
        piece, within_ns = divmod(max(elapsed_ns, 0), self._period_ns)
        x = within_ns / 1e9
        c3, c2, c1, c0 = self._coefficients[:, piece]
        return ((c3 * x + c2) * x + c1) * x + c0, (3 * c3 * x + 2 * c2) * x + c1


@dataclass(frozen=True, eq=False)
class OffsetFade:
    """An offset and its rate that vanish smoothly: quintic, with curvature zero at both ends.

    Attributes:
        offset: Difference at the join, (A,) [rad, m, or per s].
        slope: Its derivative by the chunk's time at the join, (A,) [per s].
        durations_ns: Chunk's time until it is gone, (A,) [ns].
    """

    offset: np.ndarray
    slope: np.ndarray
    durations_ns: np.ndarray

    @cached_property
    def duration_ns(self) -> int:
        """Chunk's time until all of it is gone [ns]."""
        return int(self.durations_ns.max())

    def at(self, elapsed_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what is left of the offset (A,) and its derivative (A,) [per s]."""
        if elapsed_ns >= self.duration_ns:
            return np.zeros_like(self.offset), np.zeros_like(self.offset)
        duration = self.durations_ns / 1e9
        s = np.minimum(elapsed_ns / self.durations_ns, 1.0)
        value = 1 + s**3 * (-10 + s * (15 - 6 * s))
        moved = s + s**3 * (-6 + s * (8 - 3 * s))
        value_slope = s**2 * (-30 + s * (60 - 30 * s))
        moved_slope = 1 + s**2 * (-18 + s * (32 - 15 * s))
        return (
            self.offset * value + self.slope * (duration * moved),
            self.offset * (value_slope / duration) + self.slope * moved_slope,
        )


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

    def at(self, elapsed_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the path.

        Args:
            elapsed_ns: Time since the chunk's start [ns].

        Returns:
            Value (A,), a position [rad or m] or a velocity [per s], and the speed along the path
            by the chunk's time (A,) [per s]: the derivative of a position, a velocity itself.
        """
        value, slope = self.curve.at(elapsed_ns)
        offset, offset_slope = self.fade.at(elapsed_ns - self.joined_ns)
        value = value + offset
        return value, np.where(self.by_velocity, value, slope + offset_slope)


@dataclass(frozen=True, eq=False)
class JoinLimits:
    """How quickly an offset may fade.

    Attributes:
        shortest_ns: Least duration of a fade [ns].
        velocity: Greatest speed that the fade of a position may add, (A,) [rad/s or m/s].
        acceleration: Greatest acceleration that a fade may add, (A,) [rad/s² or m/s²].
    """

    shortest_ns: int
    velocity: np.ndarray
    acceleration: np.ndarray


def join(
    chunk: ActionChunk,
    elapsed_ns: int,
    position: np.ndarray,
    speed: np.ndarray | None,
    limits: JoinLimits,
) -> Reference:
    """Join a chunk to what was commanded before, position and velocity continuous.

    A far-off chunk is joined by a longer fade: the ramp to the first action is the same thing.

    Args:
        chunk: The new chunk.
        elapsed_ns: The chunk's time at the join [ns].
        position: Position at the join, (A,) [rad or m]; of no matter where velocities are given.
        speed: Speed along the path before, by trajectory time, (A,) [per s]; None where the clock
            stands, so that any speed is continuous.
        limits: How quickly the difference may fade.
    """
    curve, by_velocity = ChunkCurve(chunk), chunk.by_velocity
    value, slope = curve.at(elapsed_ns)
    if speed is None:
        speed = np.where(by_velocity, value, slope)
    offset = np.where(by_velocity, speed, position) - value
    turn = np.where(by_velocity, 0.0, speed - slope)  # a base's acceleration may jump
    durations_ns = _fade_durations_ns(offset, turn, by_velocity, limits)
    return Reference(chunk, by_velocity, curve, elapsed_ns, OffsetFade(offset, turn, durations_ns))


def _fade_durations_ns(
    offset: np.ndarray, turn: np.ndarray, by_velocity: np.ndarray, limits: JoinLimits
) -> np.ndarray:
    """Return how long each offset fades, (A,) [ns]: positions together, and velocities together.

    Apart, because a base that is told to stop must not roll on while an arm comes from afar.
    """
    steepest = np.where(by_velocity, limits.acceleration, limits.velocity)
    needed = np.maximum.reduce(
        [
            OFFSET_PEAK_SLOPE * np.abs(offset) / steepest,
            np.sqrt(OFFSET_PEAK_CURVATURE * np.abs(offset * ~by_velocity) / limits.acceleration),
            SLOPE_PEAK_CURVATURE * np.abs(turn) / limits.acceleration,
        ]
    )
    durations_ns = np.full(len(offset), limits.shortest_ns)
    for columns in (by_velocity, ~by_velocity):
        longest_ns = round(float(needed[columns].max(initial=0.0)) * 1e9)
        durations_ns[columns] = max(limits.shortest_ns, longest_ns)
    return durations_ns
