"""What was seen of a robot while something failed: its motion, its reasons, its commands."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

STANDING = 0.01  # [rad/s]: slower than this all joints of the arms stand
MOVING = 0.03  # [rad/s]: faster than this one of them moves
STOOD_FOR_S = 0.2
CALM_S = 1.0
FARTHEST = 10  # cycles between two commands that are compared: what froze longer is not known


@dataclass(frozen=True, eq=False)
class Command:
    """What the robot's controllers commanded in one cycle.

    Attributes:
        at_s: Arrival [s, monotonic].
        instant_ns: Of the cycle [ns, node clock].
        positions: Of the arms' joints, (J,) [rad].
    """

    at_s: float
    instant_ns: int
    positions: np.ndarray


def largest_step(commands: list[Command], period_ns: int) -> float:
    """Return the largest change of a command per cycle of ``period_ns`` [ns], in [rad].

    Cycles that were skipped share a change. Where the robot itself was frozen, or its clock jumped,
    nothing is compared.
    """
    if len(commands) < 2:
        return 0.0
    instants = np.array([command.instant_ns for command in commands])
    cycles = np.rint(np.diff(instants) / period_ns)
    changes = np.abs(np.diff([command.positions for command in commands], axis=0)).max(axis=1)
    known = (cycles >= 1) & (cycles <= FARTHEST)
    return float((changes[known] / cycles[known]).max(initial=0.0))


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
        commands: Of every cycle of the robot's controllers.
    """

    motion: list[tuple[float, float]] = field(default_factory=list)
    statuses: list[Heard] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

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

    def largest_step(self, since_s: float, until_s: float, period_ns: int) -> float:
        """Return the largest change of a command per cycle between two instants [rad]."""
        between = [each for each in self.commands if since_s < each.at_s < until_s]
        return largest_step(between, period_ns)
