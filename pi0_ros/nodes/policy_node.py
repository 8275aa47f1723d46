"""policy_node: cameras, joint states and a sentence in; action chunks out."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import fields
from typing import Any

from pi0_msgs.msg import ActionChunk, PolicyStatus
from pi0_msgs.srv import GetActionChunk, SetPrompt

from pi0_ros.bridge.chunks import encode_chunk
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.managed import ManagedNode, run
from pi0_ros.nodes.observation_streams import ObservationStreams
from pi0_ros.nodes.parameters import PolicyParameters, declare
from pi0_ros.nodes.policy_reports import PolicyReports
from pi0_ros.nodes.run_task import RunTaskServer
from pi0_ros.nodes.worker_thread import WorkerThread, with_pauses
from pi0_ros.observation.assembler import Freshness
from pi0_ros.observation.observation import NotReady
from pi0_ros.policy.making import make_policy
from pi0_ros.policy.planner import Planner
from pi0_ros.policy.settings import PolicySettings

PAUSE_S = 0.005  # how soon a due plan is noticed


class PolicyNode(ManagedNode):
    """Assembles observations, plans in a worker thread, publishes what it planned."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for configure."""
        super().__init__("policy_node", **options)
        self._settings = declare(self, PolicyParameters)
        self._planning_lock = threading.Lock()  # a policy is called from one thread at a time
        self._thread: WorkerThread | None = None
        self._streams: list[Any] = []  # everything that cleanup destroys

    def configure(self) -> None:
        """Load the robot and the policy, warm it up, subscribe."""
        p = self._settings
        os.setpriority(os.PRIO_PROCESS, 0, p.niceness)  # threads started from now on inherit it
        self._embodiment = load_embodiment(
            p.embodiment, tf_prefix=p.tf_prefix, simulation=p.simulation
        )
        chosen = {field.name: getattr(p, field.name) for field in fields(PolicySettings)}
        policy = make_policy(PolicySettings(**chosen), self._embodiment)
        limits_ms = (p.image_age_ms, p.state_age_ms, p.camera_skew_ms)
        freshness = Freshness(*(round(1e6 * ms) for ms in limits_ms))
        streams = ObservationStreams(self, self._embodiment, freshness, p.image_transport)
        self._streams.append(streams)
        execute = p.execute or self._embodiment.policy.execute
        self._planner = Planner(self._embodiment, policy, streams.snapshot, execute, self._now_ns)
        problem = self._planner.set_prompt(p.prompt)
        if problem:
            raise ValueError(f"prompt: {problem}")
        self.get_logger().info(f"warming up the policy '{policy.name}'")
        policy.warm_up()
        about = PolicyStatus(
            embodiment=self._embodiment.name, policy=policy.name, checkpoint=p.checkpoint
        )
        self._reports = PolicyReports(self, self._planner, about, streams.received)
        self._chunks = self.create_publisher(ActionChunk, "~/action_chunk", qos.CHUNKS)
        reports = self._reports
        self._streams += [
            reports,
            self._chunks,
            self.create_service(SetPrompt, "~/set_prompt", self._on_set_prompt),
            self.create_service(GetActionChunk, "~/get_action_chunk", self._on_get_action_chunk),
            RunTaskServer(self, self._planner, lambda: reports.reasons, lambda: reports.failure),
        ]
        self._reports.become(PolicyStatus.INACTIVE)

    def activate(self) -> None:
        """Start planning."""
        self._planner.forget()
        self._thread = WorkerThread("planning", with_pauses(PAUSE_S, self._plan), self._fail)

    def deactivate(self) -> None:
        """Stop planning; the executor then runs out of chunks and holds."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
            self._reports.become(PolicyStatus.INACTIVE)

    def cleanup(self) -> None:
        """Drop the streams and the policy."""
        dispose(self, self._streams)
        self._streams.clear()

    def _plan(self) -> None:
        """Plan if due; runs in the worker thread."""
        with self._planning_lock:
            result = self._planner.tick()
        if isinstance(result, NotReady):
            self._reports.become(PolicyStatus.WAITING, result.reasons)
        elif result is not None:
            self._chunks.publish(encode_chunk(result, self._embodiment.name))
            self._reports.become(PolicyStatus.PLANNING)

    def _fail(self, error: str) -> None:
        self.get_logger().error(f"planning ended: {error}")
        self._reports.become(PolicyStatus.FAILED, (error.strip().splitlines()[-1],))

    def _on_set_prompt(
        self, request: SetPrompt.Request, response: SetPrompt.Response
    ) -> SetPrompt.Response:
        problem = self._planner.set_prompt(request.prompt)
        response.success, response.message = problem is None, problem or ""
        self.get_logger().info(f"prompt: {problem or repr(request.prompt)}")
        return response

    def _on_get_action_chunk(
        self, request: GetActionChunk.Request, response: GetActionChunk.Response
    ) -> GetActionChunk.Response:
        with self._planning_lock:
            result = self._planner.plan(request.prompt or self._planner.prompt)
        if isinstance(result, NotReady):
            response.success, response.reasons = False, list(result.reasons)
        else:
            response.success = True
            response.chunk = encode_chunk(result, self._embodiment.name)
        return response

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the node."""
    sys.exit(run(PolicyNode))


if __name__ == "__main__":
    main()
