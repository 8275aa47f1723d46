"""What was seen of a robot while something failed: its motion, its reasons, its commands."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

STANDING = 0.01  # [rad/s]: slower than this all joints of the arms stand
MOVING = 0.03  # [rad/s]: faster than this one of them moves
STOOD_FOR_S = 0.2
CALM_S = 1.0
CLOCK_JUMP_S = 1.0  # stamps that run ahead of arrivals by more belong to a clock that jumped


@dataclass(frozen=True, eq=False)
class Window:
    """A trajectory message as a controller plays it.

    Attributes:
        at_s: Arrival [s, monotonic].
        start_s: Its stamp [s, node clock].
        times_s: Instant of each point after the stamp, (N,) [s].
        positions: (N, J) [rad].
    """

    at_s: float
    start_s: float
    times_s: np.ndarray
    positions: np.ndarray

    def at(self, elapsed_s: np.ndarray) -> np.ndarray:
        """Interpolate between points, the ends are held: (K,) [s after the stamp] to (K, J)."""
        columns = [np.interp(elapsed_s, self.times_s, column) for column in self.positions.T]
        return np.stack(columns, axis=1)


def largest_step(windows: list[Window], period_s: float) -> float:
    """Return the largest step between two samples of a controller that plays windows [rad].

    A newer window replaces an older one at its stamp. A controller whose clock jumps forward jumps
    along its window with it; one whose clock jumps back is taken to go on for the time that passed.

    Args:
        windows: In the order of their arrival.
        period_s: Of the controller's samples [s].
    """
    played = []
    for this, following in itertools.pairwise(windows):
        by_arrival, by_stamp = following.at_s - this.at_s, following.start_s - this.start_s
        jumped = by_stamp <= 0 or by_stamp - by_arrival > CLOCK_JUMP_S
        seconds = max(by_arrival if jumped else by_stamp, 0.0)
        played.append(this.at(np.arange(0, seconds - period_s / 2, period_s)))
        if by_stamp - by_arrival > CLOCK_JUMP_S:
            played.append(this.at(np.array([by_stamp])))
    if windows:
        last = windows[-1]
        played.append(last.at(np.arange(0, last.times_s[-1] + period_s, period_s)))
    samples = np.concatenate(played) if played else np.zeros((0, 1))
    return float(np.abs(np.diff(samples, axis=0)).max(initial=0.0))


@dataclass(frozen=True)
class Heard:
    """One status of the executor.

    Attributes:
        at_s: Arrival [s, monotonic].
        is_executing: A chunk is played.
        reason: Code.
        accepted: Chunks since activation.
    """

    at_s: float
    is_executing: bool
    reason: str
    accepted: int


@dataclass(eq=False)
class FaultRecord:
    """Everything heard since the record began; instants are arrivals [s, monotonic].

    Attributes:
        motion: Instant and largest speed of the arms' joints [rad/s].
        statuses: Of the executor.
        windows: Of each trajectory controller, by its name.
    """

    motion: list[tuple[float, float]] = field(default_factory=list)
    statuses: list[Heard] = field(default_factory=list)
    windows: dict[str, list[Window]] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        """Chunks that the executor has accepted since it was activated."""
        return self.statuses[-1].accepted if self.statuses else 0

    @property
    def speed(self) -> float:
        """Largest speed of a joint in the newest states [rad/s]."""
        return self.motion[-1][1] if self.motion else 0.0

    def is_executing(self, since_s: float) -> bool:
        """Say whether the newest status is newer than an instant and says so."""
        newest = self.statuses[-1] if self.statuses else None
        return newest is not None and newest.at_s > since_s and newest.is_executing

    def is_calm(self, now_s: float) -> bool:
        """Say whether chunks have been played for a while without a hold."""
        first = next((s.at_s for s in reversed(self.statuses) if not s.is_executing), None)
        began_s = first if first is not None else self.statuses[0].at_s if self.statuses else now_s
        return self.is_executing(now_s - CALM_S) and now_s - began_s > CALM_S

    def has_stood(self, now_s: float, since_s: float) -> bool:
        """Say whether nothing moves for a while; what sends no states any more counts as such."""
        return now_s - self.last_motion_s(since_s) > STOOD_FOR_S

    def last_motion_s(self, since_s: float, until_s: float = math.inf) -> float:
        """Return the last instant within two at which the robot did not stand, else the first."""
        moving = [at for at, speed in self.motion if speed > STANDING and since_s < at < until_s]
        return moving[-1] if moving else since_s

    def first_hold(self, since_s: float) -> Heard | None:
        """Return the first status after an instant that says that no chunk is played."""
        after = (status for status in self.statuses if status.at_s > since_s)
        return next((status for status in after if not status.is_executing), None)

    def reasons(self, since_s: float) -> tuple[str, ...]:
        """Return the codes given after an instant while no chunk was played, in their order."""
        after = (s for s in self.statuses if s.at_s > since_s and not s.is_executing)
        return tuple(dict.fromkeys(status.reason for status in after))

    def moves_again_s(self, since_s: float) -> float:
        """Return when, after the last hold since an instant, the robot moved; infinity: not yet.

        Where there was no hold, it is the first motion after a status that says so.
        """
        after = [status for status in self.statuses if status.at_s > since_s]
        holds = [status.at_s for status in after if not status.is_executing]
        last_hold = max(holds, default=since_s)
        played = (s.at_s for s in after if s.at_s > last_hold and s.is_executing)
        at = next(played, math.inf)
        return next((t for t, speed in self.motion if t > at and speed > MOVING), math.inf)

    def largest_step(self, since_s: float, until_s: float, period_s: float) -> float:
        """Return the largest step of any controller's commands between two instants [rad]."""
        return max(
            (
                largest_step([w for w in windows if since_s < w.at_s < until_s], period_s)
                for windows in self.windows.values()
            ),
            default=0.0,
        )
