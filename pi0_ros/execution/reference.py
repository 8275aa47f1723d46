"""The reference: a smooth path through the actions of one chunk, joined without a jump."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from pi0_ros.execution.chunk import ActionChunk

# Greatest slope and curvature on [0, 1] of the two parts of a fade: of an offset,
# 1 - 10 s³ + 15 s⁴ - 6 s⁵, and of a slope, s - 6 s³ + 8 s⁴ - 3 s⁵.
OFFSET_PEAK_SLOPE = 1.875
OFFSET_PEAK_CURVATURE = 10 / math.sqrt(3)
SLOPE_PEAK_CURVATURE = 3.95


class ChunkCurve:
    """Shape-preserving cubic through a chunk's actions; the ends are held.

    Source:
        Fritsch and Carlson 1980, monotone piecewise cubic interpolation: no overshoot between
        actions, so that no gripper opens beyond its target.
    """

    def __init__(self, chunk: ActionChunk) -> None:
        """Fit the curve once; reading it costs one small polynomial."""
        times = np.arange(chunk.horizon) * (chunk.period_ns / 1e9)
        # (4, H - 1, D): coefficients of each piece, highest power first, in seconds.
        self._coefficients = PchipInterpolator(times, chunk.actions, axis=0).c
        self._period_ns = chunk.period_ns
        self._last = chunk.actions[-1]
        self.duration_ns = (chunk.horizon - 1) * chunk.period_ns

    def at(self, elapsed_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the curve.

        Args:
            elapsed_ns: Time since the chunk's start [ns].

        Returns:
            Position (D,) [rad or m] and its derivative by the chunk's time (D,) [per s].
        """
        if elapsed_ns >= self.duration_ns:
            return self._last, np.zeros_like(self._last)
        piece, within_ns = divmod(max(elapsed_ns, 0), self._period_ns)
        x = within_ns / 1e9
        c3, c2, c1, c0 = self._coefficients[:, piece]
        return ((c3 * x + c2) * x + c1) * x + c0, (3 * c3 * x + 2 * c2) * x + c1


@dataclass(frozen=True, eq=False)
class OffsetFade:
    """An offset and its rate that vanish smoothly: quintic, with curvature zero at both ends.

    Attributes:
        offset: Difference at the join, (D,) [rad or m].
        slope: Its derivative by the chunk's time at the join, (D,) [per s].
        duration_ns: Chunk's time until it is gone [ns].
    """

    offset: np.ndarray
    slope: np.ndarray
    duration_ns: int

    def at(self, elapsed_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what is left of the offset (D,) and its derivative (D,) [per s]."""
        if elapsed_ns >= self.duration_ns:
            return np.zeros_like(self.offset), np.zeros_like(self.offset)
        duration = self.duration_ns / 1e9
        s = elapsed_ns / self.duration_ns
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
        curve: The smooth path through it.
        joined_ns: Chunk's time at the join [ns].
        fade: What is left of the difference, by the time since the join.
    """

    chunk: ActionChunk
    curve: ChunkCurve
    joined_ns: int
    fade: OffsetFade

    @property
    def duration_ns(self) -> int:
        """Chunk's time at which the last action is reached and the fade is over [ns]."""
        return max(self.curve.duration_ns, self.joined_ns + self.fade.duration_ns)

    def at(self, elapsed_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Return position (D,) [rad or m] and derivative by the chunk's time (D,) [per s]."""
        position, slope = self.curve.at(elapsed_ns)
        offset, offset_slope = self.fade.at(elapsed_ns - self.joined_ns)
        return position + offset, slope + offset_slope


@dataclass(frozen=True, eq=False)
class JoinLimits:
    """How quickly an offset may fade.

    Attributes:
        shortest_ns: Least duration of a fade [ns].
        velocity: Greatest speed that a fade may add, (D,) [rad/s or m/s].
        acceleration: Greatest acceleration that a fade may add, (D,) [rad/s² or m/s²].
    """

    shortest_ns: int
    velocity: np.ndarray
    acceleration: np.ndarray


def join(
    chunk: ActionChunk,
    elapsed_ns: int,
    position: np.ndarray,
    slope: np.ndarray | None,
    limits: JoinLimits,
) -> Reference:
    """Join a chunk to what was commanded before, position and velocity continuous.

    A far-off chunk is joined by a longer fade: the ramp to the first action is the same thing.

    Args:
        chunk: The new chunk.
        elapsed_ns: The chunk's time at the join [ns].
        position: Position at the join, (D,) [rad or m].
        slope: Its derivative by trajectory time, (D,) [per s]; None where the clock stands, so
            that any slope is continuous.
        limits: How quickly the difference may fade.
    """
    curve = ChunkCurve(chunk)
    target, target_slope = curve.at(elapsed_ns)
    offset = position - target
    turn = np.zeros_like(offset) if slope is None else slope - target_slope
    needed = np.maximum.reduce(
        [
            OFFSET_PEAK_SLOPE * np.abs(offset) / limits.velocity,
            np.sqrt(OFFSET_PEAK_CURVATURE * np.abs(offset) / limits.acceleration),
            SLOPE_PEAK_CURVATURE * np.abs(turn) / limits.acceleration,
        ]
    )
    duration_ns = max(limits.shortest_ns, round(float(needed.max()) * 1e9))
    return Reference(chunk, curve, elapsed_ns, OffsetFade(offset, turn, duration_ns))
