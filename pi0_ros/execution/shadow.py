"""Shadow mode's comparison: what the plans wanted against what the operator did."""

from __future__ import annotations

from collections import deque

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk

CHUNKS_KEPT = 4  # poses may be stamped a little before the newest chunk starts


class ShadowComparison:
    """Compares measured poses with the plans, as the executor would have played them.

    A pose is compared with the newest chunk whose span holds its stamp, so that a chunk counts
    only until the next one takes over; between two actions a plan is a line. Beside that one chunk
    at a time is followed to its end, to see how far a plan is off that nothing corrects.

    Only joints that are commanded by position have a place here: a velocity has none to be
    compared with, and a base would need its odometry.

    Args:
        embodiment: The robot.

    Attributes:
        names: Joints compared, (J,).
        newest: Last difference, plan - measured, (J,) [rad or m].
        largest: Largest of its absolute values, (J,) [rad or m].
        samples: Poses compared.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        """Start with nothing compared."""
        by_position = ~embodiment.by_velocity[embodiment.joint_columns]
        self._axis_names = embodiment.axis_names
        self._measured = np.flatnonzero(by_position)  # their places in a measured pose
        self._planned = embodiment.joint_columns[by_position]  # and in an action
        self.names = tuple(embodiment.joint_names[place] for place in self._measured)
        self._chunks: deque[ActionChunk] = deque(maxlen=CHUNKS_KEPT)
        self._followed: ActionChunk | None = None
        self._sum = np.zeros(len(self.names))
        self.newest: np.ndarray = np.zeros(len(self.names))
        self.largest: np.ndarray = np.zeros(len(self.names))
        self.samples = 0
        self.ahead = ErrorAhead(len(self.names))

    @property
    def mean(self) -> np.ndarray:
        """Mean of |plan - measured|, (J,) [rad or m]; zeros before the first pose."""
        return self._sum / max(self.samples, 1)

    def take_chunk(self, chunk: ActionChunk) -> None:
        """Compare with a chunk from now on; a withdrawal ends what was planned before.

        Raises:
            ValueError: It is not of this robot.
        """
        if chunk.names != self._axis_names:
            raise ValueError(
                f"chunk {chunk.sequence} has the names {', '.join(chunk.names)}; they must be "
                f"{', '.join(self._axis_names)}"
            )
        if chunk.is_withdrawal:
            self._chunks.clear()
            self._followed = None
        else:
            self._chunks.append(chunk)

    def take_pose(self, stamp_ns: int, positions: np.ndarray) -> None:
        """Compare a measured pose of an instant; one that no plan reaches to does not count.

        Args:
            stamp_ns: Its stamp [ns, node clock].
            positions: Of all joints, (J,) [rad or m]; ignored where one is not finite.
        """
        playing = next((one for one in reversed(self._chunks) if _spans(one, stamp_ns)), None)
        measured = positions[self._measured]
        if playing is None or not np.isfinite(measured).all():
            return
        self.newest = self._planned_at(playing, stamp_ns) - measured
        self._sum += np.abs(self.newest)
        self.largest = np.maximum(self.largest, np.abs(self.newest))
        self.samples += 1
        if self._followed is None or not _spans(self._followed, stamp_ns):
            self._followed = playing
        followed = self._followed
        error = np.abs(self._planned_at(followed, stamp_ns) - measured)
        self.ahead.add((stamp_ns - followed.start_ns) / 1e9, error)

    def _planned_at(self, chunk: ActionChunk, stamp_ns: int) -> np.ndarray:
        """Return what a chunk wants of the compared joints at an instant of its span [ns]."""
        place = (stamp_ns - chunk.start_ns) / chunk.period_ns
        before = min(int(place), chunk.horizon - 1)
        after = min(before + 1, chunk.horizon - 1)
        row = chunk.actions[before] + (place - before) * (
            chunk.actions[after] - chunk.actions[before]
        )
        return np.asarray(row[self._planned])


class ErrorAhead:
    """How the error of a plan grows with the time since its observation.

    Args:
        width: Number of joints J.
    """

    BOUNDS_S = (0.0, 0.25, 0.5, 1.0, 2.0)  # each band ends where the next begins; the last, never

    def __init__(self, width: int) -> None:
        """Start with empty bands."""
        self._sum = np.zeros((len(self.BOUNDS_S), width))
        self._count = np.zeros(len(self.BOUNDS_S), dtype=int)

    def add(self, ahead_s: float, error: np.ndarray) -> None:
        """Add |plan - measured|, (J,), of so long after the observation [s]."""
        band = int(np.searchsorted(self.BOUNDS_S, ahead_s, side="right")) - 1
        self._sum[band] += error
        self._count[band] += 1

    @property
    def mean(self) -> dict[float, np.ndarray]:
        """Mean error by where a band begins [s], (J,) [rad or m]; without the empty ones."""
        counted = zip(self.BOUNDS_S, self._sum, self._count, strict=True)
        return {begin: total / count for begin, total, count in counted if count}


def _spans(chunk: ActionChunk, stamp_ns: int) -> bool:
    return chunk.start_ns <= stamp_ns <= chunk.end_ns
