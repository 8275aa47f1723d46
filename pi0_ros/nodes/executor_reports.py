"""What chunk_executor_node says about itself: ~/status, /diagnostics and the log."""

from __future__ import annotations

import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
from pi0_msgs.msg import ExecutorStatus
from rclpy.node import Node

from pi0_ros.bridge.status import diagnostics, executor_status, is_problem
from pi0_ros.execution.executor import ChunkExecutor, State
from pi0_ros.execution.reasons import Code
from pi0_ros.nodes import qos
from pi0_ros.nodes.command_outputs import CommandOutputs
from pi0_ros.nodes.disposal import dispose

STATUS_PERIOD_S = 0.1
DIAGNOSTICS_PERIOD_S = 1.0


class ExecutorReports:
    """Publishes at 10 Hz and at each change of state or reason; logs once per change.

    Args:
        node: Carries the publishers.
        core: What is reported on.
        lock: Guards the core.
        outputs: Who serves the controllers; what is wrong with those is reported, too.

    Attributes:
        facts: Further values for /diagnostics.
    """

    def __init__(
        self, node: Node, core: ChunkExecutor, lock: threading.Lock, outputs: CommandOutputs
    ) -> None:
        """Make the publishers."""
        self._outputs = outputs
        self.facts: dict[str, str] = {}
        self._node, self._core, self._lock = node, core, lock
        self._status = node.create_publisher(ExecutorStatus, "~/status", qos.STATUS)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", qos.STATUS)
        self._said: tuple[State, Code] | None = None
        self._status_at = self._diagnostics_at = time.monotonic()
        self._ticks = self._ticks_at_status = 0
        self._loop_rate_hz = 0.0

    def tick(self, now_ns: int) -> None:
        """Report if something changed or a period is over; called once per tick of the loop."""
        self._ticks += 1
        now = time.monotonic()
        said = (self._core.state, self._core.reason.code)
        is_new = said != self._said
        self._said = said
        if now - self._status_at >= STATUS_PERIOD_S:
            self._loop_rate_hz = (self._ticks - self._ticks_at_status) / (now - self._status_at)
            self._status_at, self._ticks_at_status = now, self._ticks
            self._publish_status(now_ns)
        elif is_new:
            self._publish_status(now_ns)
        if is_new:
            self._node.get_logger().info(f"{said[0].name.lower()}, {self._core.reason}")
        if is_new or now - self._diagnostics_at >= DIAGNOSTICS_PERIOD_S:
            self._diagnostics_at = now
            self._publish_diagnostics(now_ns)

    def destroy(self) -> None:
        """Stop reporting."""
        dispose(self._node, [self._status, self._diagnostics])

    def _publish_status(self, now_ns: int) -> None:
        with self._lock:
            message = executor_status(self._core, now_ns, self._loop_rate_hz)
        self._status.publish(message)

    def _publish_diagnostics(self, now_ns: int) -> None:
        others = self._outputs.problems
        with self._lock:
            core, tally = self._core, self._core.tally
            problems = [*([str(core.reason)] if is_problem(core.state) else []), *others]
            values = {
                "state": core.state.name,
                "chunks accepted": tally.chunks_accepted,
                "chunks rejected": tally.chunks_rejected,
                "last rejection": tally.last_rejection or "",
                "chunks scaled": tally.chunks_scaled,
                "largest velocity, acceleration, jerk / limit": _ratios(tally.largest_ratios),
                "notes": "; ".join(map(str, core.notes())),
                "late ticks": tally.late_ticks,
                **self.facts,
                **self._outputs.facts,
            }
        name = self._node.get_fully_qualified_name()
        self._diagnostics.publish(diagnostics(now_ns, name, problems, values, failed=False))


def _ratios(ratios: tuple[float, ...]) -> str:
    return ", ".join(f"{ratio:.3f}" for ratio in ratios)
