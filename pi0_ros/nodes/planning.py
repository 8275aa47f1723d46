"""The thread that plans, and the only place from where plans are published and withdrawn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pi0_msgs.msg import ActionChunk as ActionChunkMessage
from pi0_msgs.msg import PolicyStatus
from rclpy.node import Node

from pi0_ros.bridge.chunks import encode_chunk
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.nodes import qos
from pi0_ros.nodes.chunk_service import ChunkService
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.loop_watch import LoopWatch
from pi0_ros.nodes.policy_reports import PolicyReports
from pi0_ros.nodes.worker_thread import WorkerThread, with_pauses
from pi0_ros.observation.observation import NotReady
from pi0_ros.policy.planner import Planner

PAUSE_S = 0.005  # how soon a due plan is noticed
HUNG_S = 10.0  # or ten times the forecast; a plan that takes longer is reported
FAREWELL_S = 1.0  # for ~/status and run_task to say why planning ended


class Planning:
    """Plans while it is active, and for ~/get_action_chunk always.

    Args:
        node: Carries publisher and service.
        embodiment: Name of the robot.
        planner: Makes the plans.
        reports: Tells what came of them.
        published: Called with each plan that was published, in the thread that plans.
        failed: Called with the reason when planning ended for good, once it was told.
    """

    def __init__(
        self,
        node: Node,
        embodiment: str,
        planner: Planner,
        reports: PolicyReports,
        published: Callable[[ActionChunk], None],
        failed: Callable[[str], None],
    ) -> None:
        """Start the thread; nothing is planned yet."""
        self._node, self._embodiment = node, embodiment
        self._planner, self._reports = planner, reports
        self._published, self._failed = published, failed
        self._outlet = threading.Lock()  # no plan is published after its withdrawal
        self._chunks = node.create_publisher(ActionChunkMessage, "~/action_chunk", qos.CHUNKS)
        self._service = ChunkService(node, planner, embodiment)
        self._watch = LoopWatch(
            node, "planning", lambda: max(HUNG_S, planner.forecast_ns / 1e8), reports.hang
        )
        self.is_active = False
        self._thread = WorkerThread("planning", with_pauses(PAUSE_S, self._work), self._fail)

    def activate(self) -> None:
        """Start planning."""
        self._planner.restart()
        self.is_active = True

    def deactivate(self) -> None:
        """Stop planning, and withdraw the plan."""
        with self._outlet:
            self.is_active = False
            self._reports.become(PolicyStatus.INACTIVE)
        self.withdraw()

    def withdraw(self) -> None:
        """Have the executor slow along what it plays and hold, if there is a plan."""
        with self._outlet:
            withdrawal = self._planner.withdraw()
            if withdrawal is not None:
                self._chunks.publish(encode_chunk(withdrawal, self._embodiment))

    def destroy(self) -> None:
        """End the thread after the plan in the making."""
        self._thread.stop()
        dispose(self._node, [self._service, self._watch, self._chunks])

    def _work(self) -> None:
        self._watch.beat()
        result = self._planner.tick() if self.is_active else None
        with self._outlet:
            if result is not None and self.is_active:
                self._tell(result)
        self._service.serve()

    def _tell(self, result: ActionChunk | NotReady) -> None:
        if isinstance(result, NotReady):
            self._reports.become(PolicyStatus.WAITING, result.reasons)
        elif self._planner.is_wanted:
            self._chunks.publish(encode_chunk(result, self._embodiment))
            self._published(result)
            self._reports.note(result.notes)
            self._reports.become(PolicyStatus.PLANNING)

    def _fail(self, error: str) -> None:
        self._node.get_logger().error(f"planning ended: {error}")
        why = NotReady.because(error.strip().splitlines()[-1])
        self._reports.become(PolicyStatus.FAILED, why.reasons)
        time.sleep(FAREWELL_S)
        self._failed(why.sentences[0])
