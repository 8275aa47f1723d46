"""Stamped values in the order of their stamps, newest kept, with lookup by time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Generic, TypeVar

import numpy as np

Value = TypeVar("Value")


class Timeline(Generic[Value]):
    """The newest values of one stream, ordered by stamp.

    Args:
        capacity: How many values are kept.
    """

    def __init__(self, capacity: int) -> None:
        """Start empty."""
        self._capacity = capacity
        self._stamps: list[int] = []
        self._values: list[Value] = []

    def __len__(self) -> int:
        """Count the values that are kept."""
        return len(self._stamps)

    def add(self, stamp_ns: int, value: Value) -> None:
        """Insert a value at its stamp [ns]; a late one lands at its place, a repeat replaces."""
        place = bisect_left(self._stamps, stamp_ns)
        if place < len(self._stamps) and self._stamps[place] == stamp_ns:
            self._values[place] = value
            return
        self._stamps.insert(place, stamp_ns)
        self._values.insert(place, value)
        if len(self._stamps) > self._capacity:
            del self._stamps[0], self._values[0]

    def clear(self) -> None:
        """Forget everything, as after a jump of the clock."""
        self._stamps.clear()
        self._values.clear()

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest value [ns], None when empty."""
        return self._stamps[-1] if self._stamps else None

    def newest_first(self) -> tuple[int, ...]:
        """Stamps of all values [ns], newest first."""
        return tuple(reversed(self._stamps))

    def nearest(self, stamp_ns: int) -> tuple[int, Value] | None:
        """Return the stamp [ns] and value closest to an instant, the older of two equals."""
        if not self._stamps:
            return None
        after = bisect_left(self._stamps, stamp_ns)
        candidates = [i for i in (after - 1, after) if 0 <= i < len(self._stamps)]
        best = min(candidates, key=lambda i: abs(self._stamps[i] - stamp_ns))
        return self._stamps[best], self._values[best]

    def around(self, stamp_ns: int) -> tuple[tuple[int, Value], tuple[int, Value]] | None:
        """Return the neighbours before and after an instant; the ends are held."""
        if not self._stamps:
            return None
        after = min(bisect_right(self._stamps, stamp_ns), len(self._stamps) - 1)
        before = after if self._stamps[after] <= stamp_ns else max(after - 1, 0)
        return (
            (self._stamps[before], self._values[before]),
            (self._stamps[after], self._values[after]),
        )


def interpolate(timeline: Timeline[np.ndarray], stamp_ns: int) -> np.ndarray | None:
    """Interpolate an array stream linearly at one instant [ns]; the ends are held.

    Returns:
        Values, (D,), or None when the stream is empty.
    """
    neighbours = timeline.around(stamp_ns)
    if neighbours is None:
        return None
    (t0, before), (t1, after) = neighbours
    if t1 <= t0 or stamp_ns <= t0:
        return before
    return np.asarray(before + (after - before) * ((stamp_ns - t0) / (t1 - t0)))
