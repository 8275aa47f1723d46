"""Cadence: when something that happens at a rate is due, on a loop that is late now and then."""

from __future__ import annotations


class Cadence:
    """Keeps a mean rate by the clock, not by ticks: a late tick serves at once and once.

    Counted in ticks, what is due would wait until a late loop has caught up, and then come in a
    burst. A whole period that was missed is not made up for.

    Args:
        period_ns: Time between two times [ns].
        tick_ns: Time between two ticks of the loop [ns].
    """

    def __init__(self, period_ns: int, tick_ns: int) -> None:
        """Be due at once."""
        self._period_ns, self._tick_ns = period_ns, tick_ns
        self._due_ns: int | None = None

    def is_due(self, now_ns: int) -> bool:
        """Say whether a tick at ``now_ns`` [ns, any clock] is the closest to when it is due."""
        late_ns = self._late_ns(now_ns)
        return late_ns >= -(self._tick_ns // 2)

    def happen(self, now_ns: int) -> None:
        """Take note that it happened at ``now_ns`` [ns]."""
        late_ns = self._late_ns(now_ns)
        kept_ns = late_ns if late_ns < self._period_ns else 0
        self._due_ns = now_ns - kept_ns + self._period_ns

    def restart(self) -> None:
        """Be due at once."""
        self._due_ns = None

    def _late_ns(self, now_ns: int) -> int:
        """Return how long ago it was due [ns]; 0 at the start and where the clock went back."""
        if self._due_ns is None or now_ns < self._due_ns - self._period_ns - self._tick_ns:
            return 0
        return now_ns - self._due_ns
