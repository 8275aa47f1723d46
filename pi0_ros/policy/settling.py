"""Whether the plans still ask for motion."""

from __future__ import annotations

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk

# An arm of 1 m moves its tool by 2 cm in the one, and by 5 mm in the other: less than what two
# plans of one still scene differ by is no wish to move.
STILL = {"rad": 0.02, "m": 0.005}
STILL_SPEED = 0.02  # share of its greatest velocity below which an axis given a velocity stands


class Settling:
    """For how many executed actions in a row the plans have asked for no motion.

    They do as long as the target of each position stays within ``STILL``, all in all, and that of
    each velocity below ``STILL_SPEED`` of its limit; counted are the actions executed since, and
    also those to be executed next. Targets are compared with targets, not with the measured pose:
    an arm sags, and a gripper never closes around what it holds.

    Args:
        embodiment: The robot.
        execute: Actions that are executed before the next plan takes over.
    """

    def __init__(self, embodiment: Embodiment, execute: int) -> None:
        """Start with nothing asked for."""
        self._execute = execute
        self._by_velocity = embodiment.by_velocity
        self._still = np.array([STILL[axis.unit] for axis in embodiment.axes])
        self._slow = STILL_SPEED * np.array([axis.velocity for axis in embodiment.axes])
        self._low: np.ndarray | None = None  # of the targets since, (A,); None while in motion
        self._high: np.ndarray | None = None
        self._since = 0.0

    def take(self, chunk: ActionChunk, place: float, executed: float) -> float:
        """Take what is executed now, and return for how many actions there was no motion.

        Args:
            chunk: What plays.
            place: Place within it [actions].
            executed: Actions executed so far, by which the time is counted.
        """
        first = min(int(place), chunk.horizon - 1)
        ahead = chunk.actions[first : first + self._execute + 1]
        low, high = ahead.min(axis=0), ahead.max(axis=0)
        if self._low is not None and self._high is not None:
            all_low, all_high = np.minimum(low, self._low), np.maximum(high, self._high)
            if self._is_still(all_low, all_high):
                self._low, self._high = all_low, all_high
                return executed - self._since
        self._since = executed
        is_still = self._is_still(low, high)
        self._low, self._high = (low, high) if is_still else (None, None)
        return 0.0

    def _is_still(self, low: np.ndarray, high: np.ndarray) -> bool:
        stands = high - low <= self._still
        slow = np.maximum(np.abs(low), np.abs(high)) <= self._slow
        return bool(np.where(self._by_velocity, slow, stands).all())
