"""chunk_executor_node: action chunks in; smooth, limited commands at the controllers' rates out."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import numpy as np
from pi0_msgs.msg import ActionChunk
from std_msgs.msg import Bool, Float64
from std_srvs.srv import SetBool, Trigger

from pi0_ros.bridge.chunks import decode_chunk
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.executor import ChunkExecutor
from pi0_ros.execution.reasons import Code, Reason
from pi0_ros.nodes import qos
from pi0_ros.nodes.command_outputs import CommandOutputs
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.executor_reports import ExecutorReports
from pi0_ros.nodes.managed import ManagedNode, run
from pi0_ros.nodes.parameters import ExecutorParameters, declare
from pi0_ros.nodes.state_streams import StateStreams
from pi0_ros.nodes.worker_thread import WorkerThread, on_deadlines


class ChunkExecutorNode(ManagedNode):
    """Steps the executor on a thread of absolute deadlines; callbacks only hand values over."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for configure."""
        super().__init__("chunk_executor_node", **options)
        self._settings = declare(self, ExecutorParameters)
        self._lock = threading.Lock()  # guards the core: callbacks against the loop
        self._is_estop_pressed = False
        self._thread: WorkerThread | None = None
        self._streams: list[Any] = []

    def configure(self) -> None:
        """Load the robot and make all streams."""
        p = self._settings
        self._embodiment = load_embodiment(
            p.embodiment, tf_prefix=p.tf_prefix, simulation=p.simulation
        )
        self._core = ChunkExecutor(self._embodiment, self._settings.executor)
        self._outputs = CommandOutputs(self, self._embodiment, p.command_echo_hz, dry_run=p.dry_run)
        self._streams.append(self._outputs)
        age_limit_ns = p.executor.joint_state_age_ns
        self._streams.append(
            StateStreams(self, self._embodiment, age_limit_ns, self._on_measured, self._on_lacking)
        )
        self._subscribe()

    def _subscribe(self) -> None:
        subscribe, serve = self.create_subscription, self.create_service
        self._streams += [
            subscribe(ActionChunk, "action_chunk", self._on_chunk, qos.CHUNKS),
            subscribe(Float64, "speed_scaling", self._on_speed_scaling, qos.STATUS),
            # Twice: the one gets what was latched before, the other matches any publisher.
            subscribe(Bool, "estop", self._on_estop, qos.LATCHED),
            subscribe(Bool, "estop", self._on_estop, qos.STATUS),
            serve(SetBool, "~/enable", self._on_enable),
            serve(Trigger, "~/stop", self._on_stop),
            serve(Trigger, "~/reset", self._on_reset),
        ]

    def activate(self) -> None:
        """Start the loop."""
        with self._lock:
            self._core = ChunkExecutor(self._embodiment, self._settings.executor)
            self._core.estop(self._is_estop_pressed)
            self._core.enable(self._settings.enable_on_activate)
        self._reports = ExecutorReports(self, self._core, self._lock)
        self._instants_ns: list[int] = []
        self._tick = 0
        period_s = self._embodiment.command.period_ns / 1e9
        self._thread = WorkerThread("loop", on_deadlines(period_s, self._step), self._fail)

    def deactivate(self) -> None:
        """Stop commanding. What was committed ends where it stands: the robot holds."""
        if self._thread is None:
            return
        self._thread.stop()
        self._thread = None
        self._outputs.rest(self._now_ns())
        self._reports.destroy()
        if self._settings.timing_log:
            np.save(self._settings.timing_log, np.array(self._instants_ns))

    def cleanup(self) -> None:
        """Drop the streams."""
        dispose(self, self._streams)
        self._streams.clear()

    def _step(self) -> None:
        """Do one tick: commit samples, serve the controllers that are due, say what changed."""
        if self._settings.timing_log:
            self._instants_ns.append(time.monotonic_ns())
        now_ns = self._now_ns()
        with self._lock:
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

    def _on_chunk(self, message: ActionChunk) -> None:
        with self._lock:
            try:
                problem = self._core.accept(decode_chunk(message), self._now_ns())
            except ValueError as error:
                problem = self._core.reject(Reason(Code.CHUNK_MALFORMED, str(error)))
        if problem is not None:
            self.get_logger().warning(
                f"chunk {message.sequence} rejected, {problem}", throttle_duration_sec=1.0
            )

    def _on_measured(self, stamp_ns: int, positions: np.ndarray) -> None:
        with self._lock:
            self._core.measure(stamp_ns, positions)

    def _on_lacking(self, reason: str) -> None:
        with self._lock:
            self._core.report_missing(reason)

    def _on_speed_scaling(self, message: Float64) -> None:
        with self._lock:
            self._core.speed_scaling = message.data

    def _on_estop(self, message: Bool) -> None:
        with self._lock:
            self._is_estop_pressed = message.data
            self._core.estop(message.data)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        with self._lock:
            self._core.enable(request.data)
        response.success, response.message = True, "enabled" if request.data else "disabled"
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            self._core.stop(Reason(Code.STOP_REQUESTED, "call ~/reset to go on"))
        response.success, response.message = True, "stopping along the path"
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            problem = self._core.reset()
        response.success = problem is None
        response.message = str(problem or "continuing from the measured pose")
        return response

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the node."""
    sys.exit(run(ChunkExecutorNode))


if __name__ == "__main__":
    main()
