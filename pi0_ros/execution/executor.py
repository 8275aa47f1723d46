"""The chunk executor: from chunks and time to committed reference samples, with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.execution.clock import TrajectoryClock
from pi0_ros.execution.gate import check_chunk
from pi0_ros.execution.horizon import CommandWindow, CommittedHorizon
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.reasons import OK, Code, Reason
from pi0_ros.execution.reference import JoinLimits, Reference, join
from pi0_ros.execution.tally import Tally


class State(IntEnum):
    """What the executor does; the numbers of pi0_msgs/ExecutorStatus."""

    DISABLED = 0
    HOLDING = 1
    EXECUTING = 2
    STOPPED = 3


@dataclass(frozen=True)
class ExecutorSettings:
    """Times [ns] and thresholds of the executor."""

    ramp_ns: int = 400_000_000  # from full speed to standing along the path, and back
    fade_ns: int = 300_000_000  # least time in which a disagreement between chunks fades
    fade_share: float = 0.5  # of velocity and acceleration limits that a fade may use
    joint_state_age_ns: int = 200_000_000  # older joint states mean: hold
    tracking_error: float = 0.2  # greatest |commanded - measured| [rad or m] before a hold


class ChunkExecutor:
    """Plays chunks on a committed horizon. Pure: instants come in, no clock is read.

    Args:
        embodiment: The robot.
        settings: Times and thresholds.
    """

    def __init__(self, embodiment: Embodiment, settings: ExecutorSettings | None = None) -> None:
        """Start disabled, without chunk and without a measured pose."""
        self._embodiment = embodiment
        self._settings = settings or ExecutorSettings()
        self._limits = JointLimits.of(embodiment)
        self._join_limits = JoinLimits(
            self._settings.fade_ns,
            self._settings.fade_share * self._limits.velocity,
            self._settings.fade_share * self._limits.acceleration,
        )
        command = embodiment.command
        width = len(embodiment.joints)
        self._horizon = CommittedHorizon(command.period_ns, command.lead_ns, width)
        self._clock = TrajectoryClock(self._settings.ramp_ns)
        self._position = np.zeros(width)
        self._velocity = np.zeros(width)
        self._measured: tuple[int, np.ndarray] | None = None
        self._missing = "no joint_states yet"
        self._reference: Reference | None = None
        self._elapsed_ns = 0  # trajectory time within the reference's chunk
        self._fault: Reason | None = None  # the newest chunk was bad, or time broke
        self._latch: Reason | None = None  # a stop that only reset() ends
        self._enabled = False
        self._anchored = False  # the horizon continues from where the robot stands
        self._last_start_ns = -1
        self.speed_scaling = 1.0
        self.reason = Reason(Code.NOT_ENABLED)
        self.tally = Tally()

    # --- inputs ------------------------------------------------------------------------------

    def measure(self, stamp_ns: int, position: np.ndarray) -> None:
        """Take the measured pose (D,) [rad or m] of an instant [ns, node clock]."""
        self._measured = (stamp_ns, position)

    def report_missing(self, detail: str) -> None:
        """Say why there is no measured pose, such as a joint that ``joint_states`` lacks."""
        self._missing = detail
        self._measured = None

    def accept(self, chunk: ActionChunk, now_ns: int) -> Reason | None:
        """Take a chunk from now on, or return why not; a bad chunk makes the executor hold.

        Args:
            chunk: The plan.
            now_ns: Instant of arrival [ns, node clock].
        """
        problem = check_chunk(chunk, self._embodiment, now_ns)
        if problem is None and chunk.start_ns < self._last_start_ns <= now_ns:
            # Not a fault: a late sibling of the chunk being played, which goes on.
            problem = Reason(Code.CHUNK_SUPERSEDED, "a chunk of a newer observation is playing")
            self.tally.rejected(problem)
            return problem
        if problem is not None:
            return self.reject(problem)
        self.tally.accepted()
        self._fault = None
        self._last_start_ns = chunk.start_ns
        self._join(chunk)
        return None

    def reject(self, problem: Reason) -> Reason:
        """Hold because of a chunk that cannot be played, until a good one arrives."""
        self._fault = problem
        self.tally.rejected(problem)
        return problem

    def enable(self, enabled: bool) -> None:
        """Start or stop commanding; starting continues from the measured pose."""
        if enabled and not self._enabled:
            self._release()
        self._enabled = enabled

    def stop(self, reason: Reason) -> None:
        """Slow along the path, then stop commanding, until :meth:`reset`."""
        self._latch = reason

    def reset(self) -> None:
        """End a stop: forget the chunk and continue from the measured pose."""
        self._latch = None
        self._release()

    # --- time --------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Commit reference samples until the lead is kept.

        Args:
            now_ns: Instant on the clock of the chunks' stamps [ns]. It may stand still or jump:
                a jump drops the chunk and continues from the measured pose.
        """
        if not self._may_command():
            self.reason = self._why_silent()
            self._anchored = False
            return
        due = self._horizon.due(now_ns) if self._anchored else 0
        if self._anchored and not -self._horizon.lead_ticks <= due <= 2 * self._horizon.lead_ticks:
            behind = due > 0
            self._release()
            self._fault = Reason(
                Code.STALLED if behind else Code.CLOCK_JUMP,
                f"{abs(due)} samples {'late' if behind else 'ahead'}; waiting for a new chunk",
            )
        if not self._anchored:
            self._anchor(now_ns)
            due = self._horizon.due(now_ns)
        for tick in range(due):
            self._step(now_ns)
            self.tally.ticked(self._velocity / self._limits.velocity, late=tick < due - 2)

    def window(self, now_ns: int) -> CommandWindow | None:
        """Return the samples to command at ``now_ns`` [ns], None where nothing is commanded."""
        return self._horizon.window(now_ns) if self._anchored else None

    # --- outputs -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the executor does."""
        if self._latch is not None:
            return State.STOPPED
        if not self._enabled:
            return State.DISABLED
        return State.EXECUTING if self.reason is OK else State.HOLDING

    @property
    def clock_rate(self) -> float:
        """Trajectory time per time, in [0, 1]."""
        return self._clock.rate

    @property
    def chunk(self) -> ActionChunk | None:
        """The chunk being played."""
        return self._reference.chunk if self._reference else None

    @property
    def step_in_chunk(self) -> float:
        """Place within the chunk at the end of the horizon [actions]."""
        return self._elapsed_ns / self._embodiment.policy.period_ns if self._reference else 0.0

    # --- one sample --------------------------------------------------------------------------

    def _step(self, now_ns: int) -> None:
        self.reason = self._why_not_move(now_ns)
        period_ns = self._horizon.period_ns
        target, target_velocity = self._position, np.zeros_like(self._position)
        if self._reference is not None:
            _, slope = self._reference.at(self._elapsed_ns)
            fastest = self._limits.fastest_rate(slope)
            rate = min(self.speed_scaling, fastest) if self.reason is OK else 0.0
            remaining_ns = self._reference.duration_ns - self._elapsed_ns
            self._elapsed_ns += self._clock.step(period_ns, rate, remaining_ns)
            target, slope = self._reference.at(self._elapsed_ns)
            target_velocity = slope * self._clock.rate
        self._position, self._velocity, touched = self._limits.follow(
            self._position, self._velocity, target, target_velocity, period_ns / 1e9
        )
        if touched.any():
            self.tally.touched(self._embodiment.joint_names[i] for i in np.flatnonzero(touched))
        self._horizon.commit(self._position, self._velocity)

    def _why_not_move(self, now_ns: int) -> Reason:
        if self._latch is not None:
            return self._latch
        unseen = self._why_unseen(now_ns)
        if unseen is not None:
            return unseen
        if self._fault is not None:
            return self._fault
        if self._reference is None:
            return Reason(Code.NO_CHUNK, "waiting for the policy")
        if self._elapsed_ns >= self._reference.duration_ns:
            late = (now_ns - self._reference.chunk.end_ns) / 1e9
            return Reason(Code.CHUNK_EXHAUSTED, f"its last action was due {late:.2f} s ago")
        return OK

    def _why_unseen(self, now_ns: int) -> Reason | None:
        if self._measured is None:
            return Reason(Code.JOINT_STATES_MISSING, self._missing)
        stamp_ns, measured = self._measured
        age_ns, limit_ns = now_ns - stamp_ns, self._settings.joint_state_age_ns
        if age_ns > limit_ns:
            return Reason(
                Code.JOINT_STATES_STALE, f"{age_ns / 1e9:.2f} s old, limit {limit_ns / 1e9:.2f}"
            )
        commanded = self._horizon.position_at(stamp_ns)
        if commanded is None:
            return None
        error = np.abs(commanded - measured)
        worst = int(error.argmax())
        if error[worst] <= self._settings.tracking_error:
            return None
        return Reason(
            Code.TRACKING_ERROR,
            f"{self._embodiment.joint_names[worst]} is {error[worst]:.3f} from its command, "
            f"limit {self._settings.tracking_error}; call ~/reset to continue from where it is",
        )

    # --- anchoring ---------------------------------------------------------------------------

    def _may_command(self) -> bool:
        standing = not self._anchored or self._clock.rate == 0.0
        if self._latch is not None and standing:
            return False
        return self._enabled and (self._anchored or self._measured is not None)

    def _why_silent(self) -> Reason:
        if self._latch is not None:
            return self._latch
        if not self._enabled:
            return Reason(Code.NOT_ENABLED, "call ~/enable")
        return Reason(Code.JOINT_STATES_MISSING, self._missing)

    def _release(self) -> None:
        self._anchored = False
        self._reference = None
        self._fault = None
        self._last_start_ns = -1

    def _anchor(self, now_ns: int) -> None:
        assert self._measured is not None
        self._horizon.restart(now_ns)
        self._clock.stand()
        self._position = np.array(self._measured[1], dtype=np.float64)
        self._velocity = np.zeros_like(self._position)
        self._reference = None
        self._anchored = True

    def _join(self, chunk: ActionChunk) -> None:
        if not self._anchored:
            return  # nothing is commanded; the next chunk after enabling is played
        slope = None  # standing: the clock starts the motion, whatever the chunk's slope
        if self._reference is not None and self._clock.rate > 0.0:
            _, slope = self._reference.at(self._elapsed_ns)
        self._elapsed_ns = max(self._horizon.next_ns - self._horizon.period_ns - chunk.start_ns, 0)
        self._reference = join(chunk, self._elapsed_ns, self._position, slope, self._join_limits)
