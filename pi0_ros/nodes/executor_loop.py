"""The executor's loop: a thread of absolute deadlines that serves the controllers."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rclpy.node import Node

from pi0_ros.execution.executor import ChunkExecutor
from pi0_ros.nodes.command_outputs import CommandOutputs
from pi0_ros.nodes.executor_reports import ExecutorReports
from pi0_ros.nodes.loop_timing import LoopTiming
from pi0_ros.nodes.loop_watch import LoopWatch
from pi0_ros.nodes.realtime import Grant, RealtimeSettings, apply
from pi0_ros.nodes.worker_thread import WorkerThread, on_deadlines

HUNG_S = 0.5  # a tick that takes longer is reported


class ExecutorLoop:
    """Steps from its making on, until stopped.

    Args:
        node: Whose clock is read, and who says what happens.
        core: The executor.
        lock: Guards the core.
        outputs: Serve the controllers.
        period_s: Of a tick [s].
        realtime: What the thread wants of the kernel.
        timing_log: File that gets the times of all ticks; empty: none.
        failed: Called with the traceback when the loop ends by itself.
    """

    def __init__(
        self,
        node: Node,
        core: ChunkExecutor,
        lock: threading.Lock,
        outputs: CommandOutputs,
        period_s: float,
        realtime: RealtimeSettings,
        timing_log: str,
        failed: Callable[[str], None],
    ) -> None:
        """Start the thread."""
        self._node, self._core, self._lock, self._outputs = node, core, lock, outputs
        self._reports = ExecutorReports(node, core, lock, outputs)
        self._timing = LoopTiming(timing_log)
        self._watch = LoopWatch(node, "a tick of the loop", lambda: HUNG_S)
        deadlines = on_deadlines(period_s, self._timing.around(self._step))

        def loop(stopping: threading.Event) -> None:
            self._tell(apply(realtime))
            deadlines(stopping)

        self._thread = WorkerThread("loop", loop, failed)

    def stop(self) -> None:
        """End after the tick. What was committed ends where it stands: the robot holds."""
        self._thread.stop()
        self._outputs.rest(self._now_ns())
        self._watch.destroy()
        self._reports.destroy()
        self._timing.save()

    def _step(self) -> None:
        """Do one tick: where a controller is due, commit samples and serve; say what changed.

        What is committed later is decided with what is known by then, and caches that a sleep
        left cold are warmed once for all samples.
        """
        self._watch.beat()
        now_ns = self._now_ns()
        if self._outputs.is_due(now_ns):
            self._serve(now_ns)
        self._core.notice(now_ns)
        self._reports.tick(now_ns)

    def _serve(self, now_ns: int) -> None:
        with self._lock:
            self._core.permission.unheard = self._outputs.unheard()
            self._core.advance(now_ns)
            window = self._core.window(now_ns)
        sent_ns = self._now_ns()  # what was committed took its time, too
        if window is None:
            self._outputs.rest(sent_ns)
        elif not self._core.is_too_late(sent_ns):
            until_ns = self._outputs.publish(window, sent_ns)
            with self._lock:
                self._core.served(sent_ns, until_ns)

    def _tell(self, grants: tuple[Grant, ...]) -> None:
        """Say which wishes the kernel refused; the loop runs all the same."""
        self._reports.facts |= {grant.wish: str(grant) for grant in grants}
        for grant in grants:
            if grant.refusal:
                self._node.get_logger().warning(f"{grant.wish} refused: {grant.refusal}")

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
