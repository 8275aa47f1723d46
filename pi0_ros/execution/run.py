"""A run: what is commanded without a gap, from a pose at rest to a pose at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.follower import Follower, Motion
from pi0_ros.execution.horizon import CommandWindow, CommittedHorizon
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.measured import MeasuredPose
from pi0_ros.execution.reasons import Code, Reason
from pi0_ros.execution.stopping import Stopping

# Controllers may be so far into the stop behind their samples: it begins as the path goes on there,
# and has led them off by less than a millirad.
TOLERATED_NS = 20_000_000
LEFT_FOR_NS = 1_000_000_000  # after a longer stall somebody else may have moved the robot


@dataclass(frozen=True, eq=False)
class Sent:
    """What controllers got last.

    Attributes:
        until_ns: Until when they have samples [ns].
        ends: The last positions of those that play windows, (up to 3, A) [rad or m].
        held: Where those hold that get one sample at a time; the others where their windows end,
            (A,) [rad or m].
    """

    until_ns: int
    ends: np.ndarray
    held: np.ndarray


class Run:
    """Begins standing at the measured pose; after a stall, on the stop that controllers play.

    It ends where the robot stands, or where time broke. The way of a base begins anew each time, at
    zero.

    Attributes:
        horizon: The samples that are committed.
        is_on: Whether the horizon continues from where the robot stands.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        """Start without a run."""
        command, width = embodiment.command, len(embodiment.axes)
        self.horizon = CommittedHorizon(command.period_ns, command.lead_ns, width)
        self.is_on = False
        self._follower = Follower(width)
        self._columns = embodiment.joint_columns  # of what is measured, the joints
        self._streamed = embodiment.streamed
        self._until_ns = 0  # until when controllers have samples
        self._served_ns = 0  # when the controllers were served for the last time
        self._noticed_ns = 0  # until when they are known to have played
        self._sent: Sent | None = None  # None: nothing since they stood where it was measured
        # Twice the longest time between two commands of a controller: all heard of a change since.
        self._service_ns = round(2e9 / min(each.rate_hz for each in embodiment.controllers))
        limits = JointLimits.of(embodiment)
        self._stopping = Stopping(
            limits.lower, limits.upper, limits.velocity, limits.acceleration, limits.jerk
        )
        self._broken: Code | None = None  # how the last run broke off, until the next begins

    @property
    def motion(self) -> Motion:
        """Where the axes are at the end of the horizon, and how they move."""
        return self._follower.motion

    @property
    def is_off_path(self) -> np.ndarray:
        """Which axes are not where their target was, (A,) bool."""
        return self._follower.is_off

    def begin(self, now_ns: int, measured: MeasuredPose) -> None:
        """Begin at ``now_ns`` [ns] from a pose that is measured."""
        assert measured.position is not None
        left = self._left(now_ns)
        self.horizon.restart(now_ns)
        self._served_ns = self._noticed_ns = now_ns
        if left is not None and not measured.why_astray(left.position[self._columns]):
            self._follower.resume(left)
        else:
            position = np.zeros_like(self.motion.position)
            position[self._columns] = measured.position
            self._follower.rest(position)
            self._sent = None
        self._until_ns = now_ns + self.horizon.lead_ticks * self.horizon.period_ns
        self._broken = None
        self.is_on = True

    def why_broken(self, now_ns: int) -> Reason | None:
        """Say that time jumped or stalled."""
        due, period_ns = self.horizon.due(now_ns), self.horizon.period_ns
        if not self.is_on:
            return None
        if due < -self.horizon.lead_ticks:
            self._broken, how = Code.CLOCK_JUMP, f"back by {-due * period_ns / 1e9:.3f} s"
        elif self.is_too_late(now_ns):
            silent_s = (now_ns - self._served_ns) / 1e9
            self._broken, how = Code.STALLED, f"{silent_s:.3f} s since controllers were served"
        else:
            return None
        return Reason(self._broken, f"{how}; waiting for a new chunk")

    def is_too_late(self, now_ns: int) -> bool:
        """Say whether controllers ran out of samples, and are well into the stop behind them."""
        period_ns, until_ns = self.horizon.period_ns, self._until_ns + TOLERATED_NS
        return self.is_on and now_ns // period_ns > until_ns // period_ns + 1

    def stands(self, now_ns: int) -> bool:
        """Say whether all controllers have heard for a while, up to ``now_ns`` [ns], to stand."""
        return not self.is_on or self.horizon.stands(now_ns - self._service_ns)

    def end(self) -> None:
        """End, and with it what is known of where controllers hold."""
        self.is_on, self._broken, self._sent = False, None, None

    def break_off(self) -> None:
        """End where time broke; the next run goes on with what controllers do since."""
        self.is_on = False

    def _left(self, now_ns: int) -> Motion | None:
        """Return how the axes move since time broke, just before ``now_ns`` [ns], None if unknown.

        After a stall, a controller of windows plays the stop at the end of its last one; the others
        hold what they heard last. Where the clock jumped back, all hold their last command. A base
        stands, or its driver's timeout is over soon.
        """
        sent, period_ns = self._sent, self.horizon.period_ns
        if self._broken is Code.CLOCK_JUMP:
            last = self.horizon.position_at(self._noticed_ns)
            return None if last is None else Motion.resting(self._joints_only(last))
        if self._broken is None or sent is None or now_ns - sent.until_ns > LEFT_FOR_NS:
            return None
        held, stop = sent.held, self._stopping.after(sent.ends, period_ns / 1e9)
        if stop is None:
            return Motion.resting(self._joints_only(held))
        before_ns = now_ns // period_ns * period_ns - period_ns
        position, velocity, acceleration = stop.at(max(before_ns - sent.until_ns, 0))
        return Motion(
            self._joints_only(np.where(self._streamed, held, position)),
            self._joints_only(np.where(self._streamed, 0.0, velocity)),
            self._joints_only(np.where(self._streamed, 0.0, acceleration)),
        )

    def _joints_only(self, values: np.ndarray) -> np.ndarray:
        """Return (A,) with zeros for a base."""
        kept = np.zeros_like(values)
        kept[self._columns] = values[self._columns]
        return kept

    def window(self, now_ns: int) -> CommandWindow | None:
        """Return the samples to command at ``now_ns`` [ns], None where nothing is commanded."""
        return self.horizon.window(now_ns) if self.is_on else None

    def served(self, now_ns: int, until_ns: int) -> None:
        """Take note that controllers were served at an instant, up to another [ns].

        Where they are left, when time breaks, depends on it.
        """
        self._served_ns = self._noticed_ns = now_ns
        self._until_ns = until_ns
        held = self.horizon.left_at(now_ns, self._streamed)
        self._sent = Sent(until_ns, self.horizon.up_to(until_ns, 3), held)

    def notice(self, now_ns: int) -> None:
        """Take note that controllers play on at an instant [ns]: a clock may go back from it."""
        if now_ns > self._noticed_ns:
            self._noticed_ns = now_ns

    def step(self, target: Motion, limits: JointLimits, passed_ns: int) -> None:
        """Commit one sample on the way to a target; trajectory time passes with it [ns]."""
        self._follower.step(target, limits, self.horizon.period_ns / 1e9)
        self.horizon.commit(self.motion.position, self.motion.velocity, passed_ns)

    def stride(self, path: Motion, limits: JointLimits) -> Motion | None:
        """Commit many samples along a path at full speed, (N, A) each, where nothing hinders it."""
        period_ns = self.horizon.period_ns
        samples = self._follower.stride(path, limits, period_ns / 1e9)
        if samples is not None:
            for position, velocity in zip(samples.position, samples.velocity, strict=True):
                self.horizon.commit(position, velocity, period_ns)
        return samples

    def commanded_at(self, instant_ns: int) -> np.ndarray | None:
        """Return what was commanded for an instant [ns], (J,) [rad or m]."""
        position = self.horizon.position_at(instant_ns)
        return None if position is None else position[self._columns]
