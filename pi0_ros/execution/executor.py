"""The chunk executor: from chunks and time to committed reference samples, with a reason."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.execution.gate import check_chunk
from pi0_ros.execution.horizon import CommandWindow, CommittedHorizon
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.measured import MeasuredPose
from pi0_ros.execution.playback import Playback
from pi0_ros.execution.reasons import OK, Code, Reason
from pi0_ros.execution.settings import ExecutorSettings
from pi0_ros.execution.tally import Tally

LEFT_FOR_NS = 1_000_000_000  # after a longer stall somebody else may have moved the robot


class State(IntEnum):
    """What the executor does; the numbers of pi0_msgs/ExecutorStatus."""

    DISABLED = 0
    HOLDING = 1
    EXECUTING = 2
    STOPPED = 3


class ChunkExecutor:
    """Plays chunks on a committed horizon. Pure: instants come in, no clock is read.

    Args:
        embodiment: The robot.
        settings: Times and thresholds.
    """

    def __init__(self, embodiment: Embodiment, settings: ExecutorSettings | None = None) -> None:
        """Start disabled, without chunk and without a measured pose."""
        self._embodiment = embodiment
        settings = settings or ExecutorSettings()
        self._limits = JointLimits.of(embodiment)
        command = embodiment.command
        width = len(embodiment.axes)
        self._horizon = CommittedHorizon(command.period_ns, command.lead_ns, width)
        self._playback = Playback(self._limits, settings)
        self._position: np.ndarray = np.zeros(width)
        self._velocity: np.ndarray = np.zeros(width)
        self._columns = embodiment.joint_columns  # of what is measured, the joints
        self._measured = MeasuredPose(
            embodiment.joint_names,
            settings.joint_state_age_ns,
            # A gripper is astray on purpose: between its fingers is what it holds.
            np.array(
                [math.inf if j.gripper else settings.tracking_error for j in embodiment.joints]
            ),
        )
        self._fault: Reason | None = None  # the newest chunk was bad, or time broke
        self._latch: Reason | None = None  # a stop that only reset() ends
        self._resetting = False  # the latch ends as soon as the robot stands
        self._estop_pressed = False
        self._enabled = False
        self._anchored = False  # the horizon continues from where the robot stands
        self._streamed = embodiment.streamed
        self._served_ns = 0  # when the controllers were served for the last time
        # Twice the longest time between two commands of a controller: all heard of a change since.
        self._service_ns = round(2e9 / min(each.rate_hz for each in embodiment.controllers))
        self._held: np.ndarray | None = None  # where they hold joints since time broke
        self._speed_scaling = 1.0
        self.reason = Reason(Code.NOT_ENABLED)
        self.tally = Tally()

    # --- inputs ------------------------------------------------------------------------------

    def measure(self, stamp_ns: int, position: np.ndarray) -> None:
        """Take the measured pose (J,) [rad or m] of an instant [ns, node clock]."""
        self._measured.take(stamp_ns, position)

    def report_missing(self, detail: str) -> None:
        """Say why there is no measured pose, such as a joint that ``joint_states`` lacks."""
        self._measured.lack(detail)

    def accept(self, chunk: ActionChunk, now_ns: int) -> Reason | None:
        """Play a chunk from now on, or return why not; a bad chunk makes the executor hold.

        Args:
            chunk: The plan.
            now_ns: Instant of arrival [ns, node clock].
        """
        self.advance(now_ns)  # the chunk joins at the end of the horizon as it is now
        playing_ns = self.chunk.start_ns if self.chunk else None
        problem = check_chunk(chunk, self._embodiment, now_ns, playing_ns)
        if problem is not None and problem.code is not Code.CHUNK_SUPERSEDED:
            return self.reject(problem)
        problem = problem or self._why_idle() or (None if self._anchored else self.reason)
        if problem is not None:  # not the chunk's fault: what the executor does goes on
            self.tally.rejected(problem)
            return problem
        self.tally.accepted()
        self._fault = None
        newest_ns = self._horizon.next_ns - self._horizon.period_ns
        self._playback.join(chunk, self._position, newest_ns)
        return None

    def reject(self, problem: Reason) -> Reason:
        """Hold because of a chunk that cannot be played, until a good one arrives."""
        if self._anchored:
            self._fault = problem
        self.tally.rejected(problem)
        return problem

    def enable(self, enabled: bool) -> None:
        """Start commanding from the measured pose, or slow along the path and end commanding."""
        self._enabled = enabled

    def stop(self, reason: Reason) -> None:
        """Slow along the path, then end commanding, until :meth:`reset`."""
        if not self._estop_pressed:
            self._latch = reason
        self._resetting = False

    def estop(self, pressed: bool) -> None:
        """Stop when pressed; a release alone starts nothing, and only then can a reset."""
        if pressed:
            self.stop(Reason(Code.ESTOP, "release it, then call ~/reset"))
        self._estop_pressed = pressed

    def reset(self) -> Reason | None:
        """Forget the chunk and any stop; once standing, continue from the measured pose.

        Returns:
            Why not: an e-stop that is still pressed.
        """
        if self._estop_pressed:
            return self._latch
        self._latch = self._latch or Reason(Code.STOP_REQUESTED, "standing still for the reset")
        self._resetting = True
        return None

    @property
    def speed_scaling(self) -> float:
        """Share of the speed that is wanted, in [0, 1]; what is not a number pauses."""
        return self._speed_scaling

    @speed_scaling.setter
    def speed_scaling(self, share: float) -> None:
        self._speed_scaling = min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0

    # --- time --------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Commit reference samples until the lead is kept.

        Args:
            now_ns: Instant on the clock of the chunks' stamps [ns]. It may stand still or jump:
                a jump drops the chunk and continues from the measured pose.
        """
        self._end_run(now_ns)
        silence = self._begin_run(now_ns)
        if silence is not None:
            self.reason = silence
            return
        due = self._horizon.due(now_ns)
        self._served_ns = now_ns
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
        if not self._enabled and not self._anchored:
            return State.DISABLED
        return State.EXECUTING if self.reason == OK else State.HOLDING

    @property
    def clock_rate(self) -> float:
        """Trajectory time per time, in [0, 1]."""
        return self._playback.rate

    @property
    def chunk(self) -> ActionChunk | None:
        """The chunk being played."""
        return self._playback.chunk

    @property
    def step_in_chunk(self) -> float:
        """Place within the chunk at the end of the horizon [actions]."""
        return self._playback.elapsed_ns / self.chunk.period_ns if self.chunk else 0.0

    # --- one sample --------------------------------------------------------------------------

    def _step(self, now_ns: int) -> None:
        self.reason = self._why_not_move(now_ns)
        share = self._speed_scaling if self.reason == OK else 0.0
        period_ns = self._horizon.period_ns
        target, velocity = self._playback.step(self._position, share, period_ns)
        self._position, self._velocity, touched = self._limits.follow(
            self._position, self._velocity, target, velocity, period_ns / 1e9
        )
        if touched.any():
            self.tally.touched(self._embodiment.axis_names[i] for i in np.flatnonzero(touched))
        self._horizon.commit(self._position, self._velocity)

    def _why_not_move(self, now_ns: int) -> Reason:
        problem = (
            self._why_idle()
            or self._measured.why_unseen(now_ns)
            or self._measured.why_astray(self._commanded())
            or self._fault
        )
        if problem is not None:
            return problem
        if self.chunk is None:
            return Reason(Code.NO_CHUNK, "waiting for the policy")
        if self._playback.is_over:
            late = max(now_ns - self.chunk.end_ns, 0) / 1e9
            return Reason(Code.CHUNK_EXHAUSTED, f"its last action was due {late:.2f} s ago")
        return OK

    def _commanded(self) -> np.ndarray | None:
        """Return what was commanded for the instant of the measured pose, (J,) [rad or m]."""
        position = self._horizon.position_at(self._measured.stamp_ns)
        return None if position is None else position[self._columns]

    def _why_idle(self) -> Reason | None:
        if self._latch is not None:
            return self._latch
        return None if self._enabled else Reason(Code.NOT_ENABLED, "call ~/enable")

    # --- runs --------------------------------------------------------------------------------
    # A run is commanded without a gap: it begins standing, at the measured pose or, after a stall,
    # where the controllers were left, and ends where the robot stands, or where time broke. The way
    # of a base begins anew each time, at zero.

    def _begin_run(self, now_ns: int) -> Reason | None:
        """Begin unless begun, or say why nothing is commanded."""
        if self._anchored:
            return None
        silence = self._why_idle() or self._measured.why_unseen(now_ns)
        if silence is not None or self._measured.position is None:
            return silence
        self._horizon.restart(now_ns)
        held, self._held = self._held, None
        pose = self._measured.position if held is None else self._measured.near(held)
        self._position = np.zeros_like(self._position)
        self._position[self._columns] = pose
        self._velocity = np.zeros_like(self._position)
        self._anchored = True
        return None

    def _end_run(self, now_ns: int) -> None:
        due, lead = self._horizon.due(now_ns), self._horizon.lead_ticks
        if self._anchored and not -lead <= due <= lead + 1:  # above: the robot ran out of samples
            seconds = abs(due) * self._horizon.period_ns / 1e9
            held = self._horizon.left_at(self._served_ns, self._streamed)[self._columns]
            self._release()
            is_fresh = 0 < due * self._horizon.period_ns < LEFT_FOR_NS
            self._held = held if is_fresh else None
            self._fault = (
                Reason(Code.STALLED, f"{seconds:.3f} s between two steps; waiting for a new chunk")
                if due > 0
                else Reason(Code.CLOCK_JUMP, f"back by {seconds:.3f} s; waiting for a new chunk")
            )
        if self._why_idle() is None:
            return
        if self._anchored and not self._horizon.stands(now_ns - self._service_ns):
            return
        self._release()
        if self._resetting:
            self._latch, self._resetting = None, False

    def _release(self) -> None:
        if self._anchored:  # a pose measured in motion is not where the next run can begin
            self._measured.lack("waiting for the pose in which the robot stands")
        self._anchored = False
        self._playback.end()
        self._fault = self._held = None
