"""The committed horizon: reference samples that are final, up to a little ahead of now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A window starts in the past, for a controller whose clock is behind, too: by a message of /clock.
BEHIND_NS = 10_000_000
# Behind the lead, to compare late poses with their commands, and to know how far the robot has come
# since the observation of a slow plan: 10 s at 1 kHz.
TICKS_REMEMBERED = 10_000
STANDING = 1e-6  # [rad/s or m/s]; slower than this is rounding


@dataclass(frozen=True, eq=False)
class CommandWindow:
    """Consecutive reference samples of all axes; the way of a base is that since the run began.

    Attributes:
        start_ns: Instant of the first sample [ns, node clock].
        period_ns: Time between two samples [ns].
        positions: (N, A) [rad or m].
        velocities: (N, A) [rad/s or m/s].
    """

    start_ns: int
    period_ns: int
    positions: np.ndarray
    velocities: np.ndarray

    @property
    def end_ns(self) -> int:
        """Instant of the last sample [ns]."""
        return self.start_ns + (len(self.positions) - 1) * self.period_ns

    def at(self, instant_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Return position and velocity of the sample at or before an instant [ns], (A,) each."""
        row = (instant_ns - self.start_ns) // self.period_ns
        row = min(max(row, 0), len(self.positions) - 1)
        return self.positions[row], self.velocities[row]


class CommittedHorizon:
    """The newest samples by tick; a sample once committed never changes.

    That is what makes rolling trajectory windows seamless: where two windows overlap they are
    equal, so a controller that replaces one by the other sees no step.

    Args:
        period_ns: Time between two samples [ns].
        lead_ns: How far ahead of now samples are committed [ns].
        width: Number of axes A.
        behind_ns: How long before now windows begin [ns]; two samples at least.
    """

    def __init__(
        self, period_ns: int, lead_ns: int, width: int, behind_ns: int = BEHIND_NS
    ) -> None:
        """Start empty."""
        self.period_ns = period_ns
        self.lead_ticks = -(-lead_ns // period_ns)
        self._behind_ticks = max(2, -(-behind_ns // period_ns))
        self._size = self.lead_ticks + TICKS_REMEMBERED
        self._positions: np.ndarray = np.zeros((self._size, width))
        self._velocities: np.ndarray = np.zeros((self._size, width))
        self._path_ns: np.ndarray = np.zeros(self._size, dtype=np.int64)
        self._first = self._next = 0

    def restart(self, now_ns: int) -> None:
        """Forget all samples; the next one is for the tick at or before ``now_ns`` [ns]."""
        self._first = self._next = now_ns // self.period_ns

    @property
    def is_empty(self) -> bool:
        """Whether nothing is committed since the restart."""
        return self._next == self._first

    @property
    def next_ns(self) -> int:
        """Instant of the next sample to commit [ns]."""
        return self._next * self.period_ns

    def due(self, now_ns: int) -> int:
        """Count the samples to commit so that the lead is kept at ``now_ns`` [ns]."""
        return now_ns // self.period_ns + self.lead_ticks + 1 - self._next

    def stands(self, now_ns: int) -> bool:
        """Say whether all samples from ``now_ns`` [ns] on stand still."""
        window = self.window(now_ns)
        return window is None or bool((np.abs(window.velocities) < STANDING).all())

    def commit(self, position: np.ndarray, velocity: np.ndarray, passed_ns: int) -> None:
        """Append one sample, (A,) [rad or m] and (A,) [per s].

        Args:
            position: Of all axes.
            velocity: Of all axes.
            passed_ns: Trajectory time that passed since the sample before [ns].
        """
        slot = self._next % self._size
        self._positions[slot], self._velocities[slot] = position, velocity
        before_ns = self._path_ns[slot - 1] if self._next > self._first else 0
        self._path_ns[slot] = before_ns + passed_ns
        self._next += 1
        self._first = max(self._first, self._next - self._size)

    def position_at(self, instant_ns: int) -> np.ndarray | None:
        """Return the position committed for an instant [ns], (A,), None where there is none."""
        tick = instant_ns // self.period_ns
        if not self._first <= tick < self._next:
            return None
        return np.asarray(self._positions[tick % self._size])

    def path_since(self, instant_ns: int) -> int:
        """Return the trajectory time from an instant [ns] to the newest sample [ns].

        That is how much of a plan of that instant has been executed by then. Before its first
        sample the robot stood.
        """
        if self.is_empty:
            return 0
        newest_ns = self._path_ns[(self._next - 1) % self._size]
        tick = min(instant_ns // self.period_ns, self._next - 1)
        if tick < self._first:
            return int(newest_ns - self._path_ns[self._first % self._size])
        return int(newest_ns - self._path_ns[tick % self._size])

    def left_at(self, served_ns: int, streamed: np.ndarray) -> np.ndarray:
        """Return where controllers hold when no more samples come, (A,) [rad or m].

        Args:
            served_ns: When they were served for the last time [ns].
            streamed: Axes whose controller gets one sample at a time, (A,) bool: they hold the
                sample of that instant, the others the end of their window.
        """
        end = self._positions[(self._next - 1) % self._size]
        last = self.position_at(served_ns)
        return np.array(end if last is None else np.where(streamed, last, end))

    def up_to(self, instant_ns: int, count: int) -> np.ndarray:
        """Return the last positions up to an instant [ns], (up to count, A) [rad or m]."""
        end = min(instant_ns // self.period_ns + 1, self._next)
        ticks = np.arange(max(self._first, end - count), end)
        return np.asarray(self._positions[ticks % self._size])

    def window(self, now_ns: int) -> CommandWindow | None:
        """Return the samples from just before ``now_ns`` [ns] to the end of the horizon."""
        first = max(now_ns // self.period_ns - self._behind_ticks, self._first)
        if first >= self._next:
            return None
        slots = np.arange(first, self._next) % self._size
        return CommandWindow(
            first * self.period_ns,
            self.period_ns,
            self._positions[slots],
            self._velocities[slots],
        )
