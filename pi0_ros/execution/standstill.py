"""Whether a robot stands, by what is measured, whoever moves it."""

from __future__ import annotations

import numpy as np

STILL = 2e-3  # [rad or m] that a joint which stands may seem to move
FOR_NS = 300_000_000


class Standstill:
    """Follows the measured pose; a joint that leaves a small place moves.

    Args:
        for_ns: How long a robot that stands does so at least [ns].
    """

    def __init__(self, for_ns: int = FOR_NS) -> None:
        """Start without a pose."""
        self._for_ns = for_ns
        self._place: np.ndarray | None = None
        self._since_ns = self._newest_ns = 0

    def take(self, stamp_ns: int, position: np.ndarray) -> None:
        """Take the pose (J,) [rad or m] of an instant [ns, node clock]."""
        left = self._place is None or float(np.abs(position - self._place).max()) > STILL
        if left or stamp_ns < self._newest_ns:
            self._place, self._since_ns = np.array(position), stamp_ns
        self._newest_ns = stamp_ns

    @property
    def is_known(self) -> bool:
        """Whether there is a pose."""
        return self._place is not None

    @property
    def stands(self) -> bool:
        """Whether it stood for a while, up to the newest pose."""
        return self.is_known and self._newest_ns - self._since_ns >= self._for_ns
