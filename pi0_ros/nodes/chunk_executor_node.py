"""chunk_executor_node: action chunks in; smooth, limited commands at the controllers' rates out."""

from __future__ import annotations

import sys
from typing import Any

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.executor import ChunkExecutor
from pi0_ros.nodes.command_outputs import CommandOutputs
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.executor_inputs import ExecutorInputs
from pi0_ros.nodes.executor_reports import ExecutorReports
from pi0_ros.nodes.loop_timing import LoopTiming
from pi0_ros.nodes.managed import ManagedNode, run
from pi0_ros.nodes.parameters import ExecutorParameters, declare
from pi0_ros.nodes.worker_thread import WorkerThread, on_deadlines


class ChunkExecutorNode(ManagedNode):
    """Steps the executor on a thread of absolute deadlines; callbacks only hand values over."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for configure."""
        super().__init__("chunk_executor_node", **options)
        self._settings = declare(self, ExecutorParameters)
        self._thread: WorkerThread | None = None
        self._streams: list[Any] = []  # everything that cleanup destroys

    def configure(self) -> None:
        """Load the robot and make all streams."""
        p = self._settings
        self._embodiment = load_embodiment(
            p.embodiment, tf_prefix=p.tf_prefix, simulation=p.simulation
        )
        self._outputs = CommandOutputs(self, self._embodiment, p.command_echo_hz, dry_run=p.dry_run)
        self._streams.append(self._outputs)
        self._inputs = ExecutorInputs(self, self._embodiment, p.executor.joint_state_age_ns)
        self._streams.append(self._inputs)
        self._core = self._inputs.core = ChunkExecutor(self._embodiment, p.executor)

    def activate(self) -> None:
        """Start the loop."""
        with self._inputs.lock:
            self._core = self._inputs.core = ChunkExecutor(
                self._embodiment, self._settings.executor
            )
            self._core.permission.estop(self._inputs.is_estop_pressed)
            self._core.permission.is_enabled = self._settings.enable_on_activate
        self._reports = ExecutorReports(self, self._core, self._inputs.lock)
        self._timing = LoopTiming(self._settings.timing_log)
        self._tick = 0
        period_s = self._embodiment.command.period_ns / 1e9
        self._thread = WorkerThread("loop", on_deadlines(period_s, self._timing.around(self._step)), self._fail)

    def deactivate(self) -> None:
        """Stop commanding. What was committed ends where it stands: the robot holds."""
        if self._thread is None:
            return
        self._thread.stop()
        self._thread = None
        self._outputs.rest(self._now_ns())
        self._reports.destroy()
        self._timing.save()

    def cleanup(self) -> None:
        """Drop the streams."""
        dispose(self, self._streams)
        self._streams.clear()

    def _step(self) -> None:
        """Do one tick: commit samples, serve the controllers that are due, say what changed."""
        now_ns = self._now_ns()
        with self._inputs.lock:
            self._core.advance(now_ns)
            window = self._core.window(now_ns)
        if window is None:
            self._outputs.rest(now_ns)
        else:
            self._outputs.publish(self._tick, window, now_ns)
        self._reports.tick(now_ns)
        self._tick += 1

    def _fail(self, error: str) -> None:
        """End the process: a controller with a watchdog then stops, others hold their last."""
        self.get_logger().fatal(f"the loop ended: {error}")
        self.failure = error

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the node."""
    sys.exit(run(ChunkExecutorNode))


if __name__ == "__main__":
    main()
