"""How long the next plan will take, from how long the last ones took."""

from __future__ import annotations

from collections import deque

KEPT = 8  # plans; a spike is forgotten after as many


class LatencyForecast:
    """Forecasts the largest latency of a short window.

    The first plan after a start is slow for reasons of its own: it counts until there is another. A
    plan that took longer than a chunk lasts is of no use however early it begins, and what looks
    like one may be a clock that was set: it does not count, nor does a negative latency.

    Args:
        longest_ns: How long a chunk lasts [ns].
    """

    def __init__(self, longest_ns: int) -> None:
        """Start without a plan."""
        self._longest_ns = longest_ns
        self.restart()

    def restart(self) -> None:
        """Forget all plans: the next one is a first one."""
        self._first_ns: int | None = None
        self._window: deque[int] = deque(maxlen=KEPT)

    def add(self, latency_ns: int) -> None:
        """Take the time from the snapshot of a plan to its publication [ns]."""
        if not 0 <= latency_ns < self._longest_ns:
            return
        if self._first_ns is None:
            self._first_ns = latency_ns
        else:
            self._window.append(latency_ns)

    @property
    def expected_ns(self) -> int:
        """Latency expected of the next plan [ns]; 0 before there is one."""
        return max(self._window, default=self._first_ns or 0)
