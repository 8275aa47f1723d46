"""What the executor counts for its status."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pi0_ros.execution.reasons import Reason


class Tally:
    """Counters since activation."""

    def __init__(self) -> None:
        """Start at zero."""
        self.ticks = 0
        self.late_ticks = 0
        self.chunks_accepted = 0
        self.chunks_rejected = 0
        self.last_rejection: Reason | None = None
        self.largest_velocity_ratio = 0.0
        self._touched: set[str] = set()

    def ticked(self, velocity_ratios: np.ndarray, *, late: bool) -> None:
        """Count one sample; ratios of velocity to limit, (A,)."""
        self.ticks += 1
        self.late_ticks += late
        worst = float(np.abs(velocity_ratios).max())
        self.largest_velocity_ratio = max(self.largest_velocity_ratio, worst)

    def accepted(self) -> None:
        """Count a chunk that is played."""
        self.chunks_accepted += 1

    def rejected(self, problem: Reason) -> None:
        """Count a chunk that is not played, and remember why."""
        self.chunks_rejected += 1
        self.last_rejection = problem

    def touched(self, names: Iterable[str]) -> None:
        """Remember axes that a limit held back."""
        self._touched.update(names)

    def take_touched(self) -> tuple[str, ...]:
        """Return the axes held back since the last call, and forget them."""
        names = tuple(sorted(self._touched))
        self._touched.clear()
        return names
