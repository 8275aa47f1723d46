"""Status and diagnostics messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from pi0_msgs.msg import ExecutorStatus

from pi0_ros.bridge.stamps import to_duration, to_time
from pi0_ros.execution.executor import ChunkExecutor, State


def executor_status(core: ChunkExecutor, now_ns: int, loop_rate_hz: float) -> ExecutorStatus:
    """Describe the executor at an instant [ns]; takes the list of touched limits with it."""
    chunk, tally = core.chunk, core.tally
    message = ExecutorStatus()
    message.header.stamp = to_time(now_ns)
    message.state = int(core.state)
    message.reason, message.detail = core.reason.code.value, core.reason.detail
    if chunk is not None:
        message.prompt, message.sequence = chunk.prompt, chunk.sequence
        message.chunk_age = to_duration(max(now_ns - chunk.start_ns, 0))
    message.step = core.step_in_chunk(now_ns)
    message.chunk_scale, message.seam_offset = core.chunk_scale, core.seam_offset
    message.chunks_accepted = tally.chunks_accepted
    message.chunks_rejected = tally.chunks_rejected
    message.last_rejection = str(tally.last_rejection or "")
    message.clock_rate = float(core.clock_rate)
    message.speed_scaling = core.permission.speed_scaling
    message.loop_rate_hz = float(loop_rate_hz)
    message.ticks = tally.ticks
    message.late_ticks = tally.late_ticks
    velocity, acceleration, jerk = tally.largest_ratios
    message.largest_velocity_ratio = velocity
    message.largest_acceleration_ratio, message.largest_jerk_ratio = acceleration, jerk
    message.limits_touched = list(tally.take_touched(core.axis_names))
    message.notes = [str(note) for note in core.notes()]
    return message


def diagnostics(
    now_ns: int, name: str, problems: Sequence[str], values: Mapping[str, object], *, failed: bool
) -> DiagnosticArray:
    """Build one entry for /diagnostics: OK without problems, WARN with some, ERROR if failed."""
    level = DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
    status = DiagnosticStatus(
        level=DiagnosticStatus.ERROR if failed else level,
        name=name,
        message="; ".join(problems) or "ok",
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = to_time(now_ns)
    return message


def is_problem(state: State) -> bool:
    """Say whether a state of the executor deserves a warning."""
    return state in (State.HOLDING, State.STOPPED)
