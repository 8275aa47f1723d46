"""The chunk executor: from chunks and time to committed reference samples, with a reason."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.execution.gate import check_chunk
from pi0_ros.execution.gate_settings import Consequence
from pi0_ros.execution.horizon import CommandWindow
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.measured import MeasuredPose
from pi0_ros.execution.permission import Permission
from pi0_ros.execution.playback import Playback
from pi0_ros.execution.reasons import OK, Code, Reason
from pi0_ros.execution.run import Run
from pi0_ros.execution.settings import ExecutorSettings
from pi0_ros.execution.tally import Tally


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
        self._settings = settings = settings or ExecutorSettings()
        self._limits = JointLimits.of(embodiment)
        self._stopping_limits = self._limits.stopping(embodiment)
        self._returning_limits = replace(self._limits, jerk=self._stopping_limits.jerk)
        self._run = Run(embodiment)
        self._playback = Playback(self._limits, settings)
        self._measured = MeasuredPose.of(embodiment, settings)
        steps = settings.open_loop_steps or 2 * embodiment.policy.execute
        self._open_loop_ns = steps * embodiment.policy.period_ns
        self._gate = settings.gate
        if self._gate.chunk_age_ns == 0:
            self._gate = replace(self._gate, chunk_age_ns=self._open_loop_ns)
        self.permission = Permission()
        self._findings: tuple[Reason, ...] = ()  # of the gate about what plays
        self._fault: Reason | None = None  # the newest chunk was bad, or time broke
        self.reason = Reason(Code.NOT_ENABLED)
        self.tally = Tally(self._limits)

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
        measured = self._measured.at(chunk.start_ns)
        verdict = check_chunk(chunk, self._embodiment, now_ns, playing_ns, measured, self._gate)
        if verdict.reason is not None and verdict.consequence is Consequence.HOLD:
            return self.reject(verdict.reason)
        problem = (
            verdict.reason
            or self.permission.why_idle()
            or (None if self._run.is_on else self.reason)
        )
        if problem is not None:  # what the executor does goes on
            self.tally.rejected(problem)
            return problem
        if chunk.is_withdrawal:
            self._fault = Reason(Code.PLAN_WITHDRAWN, "waiting for the policy's next plan")
            return None
        self.tally.accepted(verdict.scale)
        self._fault, self._findings = None, verdict.findings
        if self._settings.shadow:
            self._follow_operator(now_ns)
        self._playback.join(chunk, self._run.motion, self._executed_ns(chunk), verdict.scale)
        return None

    def _executed_ns(self, chunk: ActionChunk) -> int:
        """How much of a chunk the robot has executed since its observation [ns].

        By the steps really consumed: at full speed the time that has passed, and nothing where the
        robot stood. It never counts more than that.
        """
        newest_ns = self._run.horizon.next_ns - self._run.horizon.period_ns
        return max(min(self._run.horizon.path_since(chunk.start_ns), newest_ns - chunk.start_ns), 0)

    def reject(self, problem: Reason) -> Reason:
        """Hold because of a chunk that cannot be played, until a good one arrives."""
        if self._run.is_on:
            self._fault = problem
        self.tally.rejected(problem)
        return problem

    # --- time --------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Commit reference samples until the lead is kept; as often as somebody is to be served.

        ``now_ns`` [ns, clock of the chunks' stamps] may stand still or jump: a jump drops the chunk
        and continues from the measured pose.
        """
        self._end_run(now_ns)
        if not self._run.is_on:
            silence = self.permission.why_idle() or self._measured.why_unseen(now_ns)
            if silence is not None:
                self.reason = silence
                return
            self._begin_run(now_ns)
        horizon = self._run.horizon
        in_time = 1 + (horizon.lead_ticks if horizon.is_empty else horizon.lead_ticks // 2)
        due = horizon.due(now_ns)
        if due > 1 and self._stride(now_ns, due, late=max(due - in_time, 0)):
            return
        for left in range(due, 0, -1):
            self._step(now_ns, late=left > in_time)

    def window(self, now_ns: int) -> CommandWindow | None:
        """Return the samples to command at ``now_ns`` [ns], None where nothing is commanded."""
        return self._run.window(now_ns)

    def notice(self, now_ns: int) -> None:
        """Take note of every tick [ns], whether anything is due or not."""
        self._run.notice(now_ns)

    def is_too_late(self, now_ns: int) -> bool:
        """Say whether controllers ran out of samples by ``now_ns`` [ns]: send none made earlier."""
        return self._run.is_too_late(now_ns)

    def served(self, now_ns: int, until_ns: int) -> None:
        """Take note that controllers were served at ``now_ns``, up to ``until_ns`` [ns]."""
        self._run.served(now_ns, until_ns)

    # --- outputs -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the executor does."""
        if self.permission.latch is not None and self.reason == self.permission.latch:
            return State.STOPPED  # from the tick on that obeys
        if not self.permission.is_enabled and not self._run.is_on:
            return State.DISABLED
        return State.EXECUTING if self.reason == OK else State.HOLDING

    @property
    def is_commanding(self) -> bool:
        """Whether there is a window to command."""
        return self._run.is_on

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes, (A,)."""
        return self._embodiment.axis_names

    @property
    def clock_rate(self) -> float:
        """Trajectory time per time, in [0, 1]."""
        return self._playback.rate

    @property
    def chunk(self) -> ActionChunk | None:
        """The chunk being played."""
        return self._playback.chunk

    @property
    def chunk_scale(self) -> float:
        """Clock rate at which the gate lets the chunk play, in (0, 1]."""
        return self._playback.scale if self.chunk else 1.0

    @property
    def seam_offset(self) -> float:
        """Largest difference that was faded when the chunk was joined [rad or m]."""
        return self._playback.seam if self.chunk else 0.0

    def step_in_chunk(self, now_ns: int) -> float:
        """Place within the chunk at an instant [actions]; before its join, as if it had played."""
        if self.chunk is None:
            return 0.0
        ahead_ns = self._run.horizon.path_since(now_ns)
        return max(self._playback.elapsed_ns - ahead_ns, 0) / self.chunk.period_ns

    def notes(self) -> tuple[Reason, ...]:
        """Say what shapes the motion at present, the gate's findings included."""
        if self.chunk is None or not self._run.is_on or self.reason != OK:
            return ()
        notes = list(self._findings)
        if self._playback.pace is not None:
            notes.append(self._playback.pace)
        joining_ns = self._playback.joins_until_ns
        if joining_ns > 2 * self._settings.fade_ns:
            notes.append(Reason(Code.JOINING, f"{joining_ns / 1e9:.1f} s until it is on the plan"))
        return tuple(notes)

    # --- samples -----------------------------------------------------------------------------
    def _step(self, now_ns: int, *, late: bool) -> None:
        self.reason = self._why_not_move(now_ns)
        share = self.permission.speed_scaling if self.reason == OK else 0.0
        run = self._run
        period_ns = run.horizon.period_ns
        target, passed_ns = self._playback.step(run.motion, share, period_ns)
        run.step(target, self._limits_now(), passed_ns)
        touched = run.is_off_path & self._limits.paced
        self.tally.ticked(run.motion, touched, period_ns / 1e9, late=late)

    def _stride(self, now_ns: int, count: int, late: int) -> bool:
        """Commit many samples at once; False, and nothing done, where the motion is shaped."""
        self.reason = self._why_not_move(now_ns)
        period_ns = self._run.horizon.period_ns
        too_far = self._playback.elapsed_ns + count * period_ns > self._open_loop_ns
        if self.reason != OK or too_far or self.permission.speed_scaling < 1.0:
            return False
        path = self._playback.ahead(count, period_ns)
        if path is None or (samples := self._run.stride(path, self._limits)) is None:
            return False
        self._playback.follow(path, samples.position[-1], period_ns)
        self.tally.strode(samples, period_ns / 1e9, late)
        return True

    def _limits_now(self) -> JointLimits:
        """A base that stops may brake harder; afterwards it comes back as fast as it went there."""
        if self.reason != OK or self.permission.speed_scaling == 0.0:
            return self._stopping_limits
        is_harder = np.abs(self._run.motion.acceleration) > self._limits.acceleration
        return self._returning_limits if is_harder.any() else self._limits

    def _why_not_move(self, now_ns: int) -> Reason:
        problem = (
            self.permission.why_idle()
            or self._measured.why_unseen(now_ns)
            or (None if self._settings.shadow else self._measured.why_off(self._run.commanded_at))
            or self._fault
        )
        if problem is not None:
            return problem
        if self.chunk is None:
            return Reason(Code.NO_CHUNK, "waiting for the policy")
        if self._playback.is_over:
            late = max(now_ns - self.chunk.end_ns, 0) / 1e9
            return Reason(Code.CHUNK_EXHAUSTED, f"its last action was due {late:.2f} s ago")
        return self._playback.why_stale(now_ns, self._open_loop_ns) or OK

    # --- runs --------------------------------------------------------------------------------

    def _begin_run(self, now_ns: int) -> None:
        self._run.begin(now_ns, self._measured)
        self.tally.begun(self._run.motion)

    def _end_run(self, now_ns: int) -> None:
        broken = self._run.why_broken(now_ns)
        if broken is not None:
            self._forget()
            self._run.break_off()
            self._fault = broken
        # Who was stopped by its own circuit would jump to where our stop led, upon the release.
        stopped_itself = self.permission.is_estopped and self._measured.stands
        if self.permission.why_idle() is None or not (self._run.stands(now_ns) or stopped_itself):
            return
        self._forget()
        self._run.end()
        self._fault = None
        self.permission.stands()

    def _forget(self) -> None:
        """Drop the chunk, and the pose: one measured in motion is not where a run can begin."""
        if self._run.is_on:
            self._measured.lack("waiting for the pose in which the robot stands")
        self._playback.end()
        self._findings = ()

    def _follow_operator(self, now_ns: int) -> None:
        """Begin anew where the robot is that nobody of us commands."""
        if self._measured.position is not None:
            self._playback.end()
            self._begin_run(now_ns)
            self.advance(now_ns)
