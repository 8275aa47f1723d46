"""The time of a controller that plays its trajectories at the speed of the robot's slider."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

# A window is taken up this long after it is made: its way, and half a cycle of the controller.
TAKEN_UP_NS = 2_000_000
# Below this factor a window's time is not compressed further: the instant at which it is taken up
# would decide too much, and such a robot hardly moves.
LEAST_FACTOR = 0.2
# What the controller is off, because the factor changed on the way, is made up for in this time:
# slowly enough that no one sees it, as it changes the speed by a tenth at most.
CATCH_UP_NS = 400_000_000
FARTHEST_NS = 20_000_000
PAUSE_NS = 200_000_000  # after which the controller stands anyway


@dataclass(frozen=True)
class TimeMap:
    """Which instant of the reference is due at which instant of the controller's own time.

    Attributes:
        at_ns: An instant of the controller, on the node clock [ns].
        reference_ns: What is due then [ns].
        pace: Time of the reference per time of the controller.
    """

    at_ns: int
    reference_ns: int
    pace: float

    def due_ns(self, reference_ns: int) -> int:
        """Return when an instant of the reference is due [ns]."""
        return self.at_ns + round((reference_ns - self.reference_ns) / self.pace)


class ScaledTime:
    """Foretells where such a controller is, and maps the next window's time onto its own.

    The controller starts a window at the instant at which it takes it up, and then goes on by the
    factor. The reference is slowed by the executor already, so a window's time is compressed by the
    factor: what comes out is the reference. A factor that changes while a window is played lets the
    controller fall behind, or run ahead; the next windows start from there and bring it back.
    """

    def __init__(self) -> None:
        """Start at full speed, without a window."""
        self._factors: deque[tuple[int, float]] = deque(maxlen=64)
        self.factor = 1.0
        self._behind_ns = 0.0
        self._pace = 1.0
        self._at_ns: int | None = None

    def hear(self, factor: float, now_ns: int) -> None:
        """Take the slider's factor of an instant [ns]; may be called from another thread."""
        self._factors.append((now_ns, min(max(factor, 0.0), 1.0)))

    @property
    def pace(self) -> float:
        """Time of the reference per time of a controller that keeps in step with it."""
        return 1.0 / max(self.factor, LEAST_FACTOR)

    def window(self, now_ns: int) -> TimeMap:
        """Return the map for a window that is made at an instant [ns, node clock]."""
        if self._at_ns is None or not 0 <= now_ns - self._at_ns < PAUSE_NS:
            self._behind_ns, self._at_ns = 0.0, now_ns
        while self._factors:
            at_ns, factor = self._factors.popleft()
            self._go_on(min(at_ns, now_ns))
            self.factor = factor
        self._go_on(now_ns)
        self._behind_ns = min(max(self._behind_ns, -FARTHEST_NS), FARTHEST_NS)
        self._pace = (1.0 + self._behind_ns / CATCH_UP_NS) * self.pace
        taken_up_ns = now_ns + TAKEN_UP_NS
        return TimeMap(taken_up_ns, taken_up_ns - round(self._behind_ns), self._pace)

    def _go_on(self, now_ns: int) -> None:
        assert self._at_ns is not None
        elapsed_ns = max(now_ns - self._at_ns, 0)
        self._behind_ns += elapsed_ns * (1.0 - self._pace * self.factor)
        self._at_ns += elapsed_ns
