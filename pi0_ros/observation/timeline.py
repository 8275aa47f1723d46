"""Stamped values in the order of their stamps, the last to arrive kept, with lookup by time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Timeline(Generic[Value]):
    """The values of one stream that arrived last, ordered by stamp.

    What arrived first makes room, whatever its stamp: after a clock was set back, old values with
    late stamps go and do not keep new ones out.

    Args:
        capacity: How many values are kept.
    """

    def __init__(self, capacity: int) -> None:
        """Start empty."""
        self._capacity = capacity
        self._stamps: list[int] = []
        self._values: list[Value] = []
        self._arrivals: deque[int] = deque()  # the same stamps, by arrival
        self._latest_ns: int | None = None

    def __len__(self) -> int:
        """Count the values that are kept."""
        return len(self._stamps)

    def add(self, stamp_ns: int, value: Value) -> None:
        """Insert a value at its stamp [ns]; a late one lands at its place, a repeat replaces."""
        self._latest_ns = stamp_ns
        place = bisect_left(self._stamps, stamp_ns)
        if place < len(self._stamps) and self._stamps[place] == stamp_ns:
            self._values[place] = value
            return
        self._stamps.insert(place, stamp_ns)
        self._values.insert(place, value)
        self._arrivals.append(stamp_ns)
        if len(self._arrivals) > self._capacity:
            first = bisect_left(self._stamps, self._arrivals.popleft())
            del self._stamps[first], self._values[first]

    def clear(self) -> None:
        """Forget everything, as after a jump of the clock."""
        self._stamps.clear()
        self._values.clear()
        self._arrivals.clear()
        self._latest_ns = None

    @property
    def latest_ns(self) -> int | None:
        """Stamp of what arrived last [ns], which need not be the newest; None when empty."""
        return self._latest_ns

    def between(self, low_ns: int, high_ns: int) -> tuple[int, ...]:
        """Return the stamps from one instant to another, both included [ns], newest first."""
        low, high = bisect_left(self._stamps, low_ns), bisect_right(self._stamps, high_ns)
        return tuple(reversed(self._stamps[low:high]))

    def nearest(self, stamp_ns: int) -> tuple[int, Value] | None:
        """Return the stamp [ns] and value closest to an instant, the older of two equals."""
        known = [neighbour for neighbour in self.around(stamp_ns) if neighbour is not None]
        return min(known, key=lambda n: abs(n[0] - stamp_ns), default=None)

    def around(self, stamp_ns: int) -> tuple[tuple[int, Value] | None, tuple[int, Value] | None]:
        """Return the neighbours of an instant [ns], each as stamp and value.

        Returns:
            The last at or before it and the first at or after it; None where there is none. A value
            of that very instant is both.
        """
        before, after = (
            bisect_right(self._stamps, stamp_ns) - 1,
            bisect_left(self._stamps, stamp_ns),
        )
        return (
            (self._stamps[before], self._values[before]) if before >= 0 else None,
            (self._stamps[after], self._values[after]) if after < len(self._stamps) else None,
        )
