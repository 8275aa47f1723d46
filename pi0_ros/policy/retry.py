"""How long to wait before what failed is tried again."""

from __future__ import annotations

SHORTEST_NS = 100_000_000
LONGEST_NS = 2_000_000_000


class GrowingPause:
    """Pauses that double from 0.1 s to 2 s; a success makes the next one short again."""

    def __init__(self) -> None:
        """Start without a pause."""
        self._begun_ns = self._lasts_ns = 0
        self._next_ns = SHORTEST_NS

    def begin(self, now_ns: int) -> None:
        """Begin the next pause at an instant [ns]."""
        self._begun_ns, self._lasts_ns = now_ns, self._next_ns
        self._next_ns = min(2 * self._next_ns, LONGEST_NS)

    def end(self) -> None:
        """Forget all pauses."""
        self._begun_ns = self._lasts_ns = 0
        self._next_ns = SHORTEST_NS

    def lasts(self, now_ns: int) -> bool:
        """Whether a pause lasts at an instant [ns]; a clock that jumped ends it."""
        return 0 <= now_ns - self._begun_ns < self._lasts_ns
