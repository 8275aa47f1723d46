"""policy_node: cameras, joint states and a sentence in; action chunks out."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from pi0_msgs.msg import ActionChunk, PolicyStatus
from pi0_msgs.srv import GetActionChunk, SetPrompt
from sensor_msgs.msg import CompressedImage, Image, JointState

from pi0_ros.bridge.chunks import encode_chunk
from pi0_ros.bridge.images import ImageError, decode_compressed, decode_image
from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.stamps import to_duration, to_ns, to_time
from pi0_ros.bridge.status import diagnostics
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.managed import STEADY, ManagedNode, run
from pi0_ros.nodes.parameters import PolicyParameters, declare
from pi0_ros.nodes.planning_thread import PlanningThread
from pi0_ros.observation.assembler import Freshness, ObservationAssembler
from pi0_ros.observation.observation import NotReady, Observation
from pi0_ros.policy.making import PolicySettings, make_policy
from pi0_ros.policy.planner import Planner

TRANSPORTS = {
    "raw": (Image, "", decode_image),
    "compressed": (CompressedImage, "/compressed", decode_compressed),
}


class PolicyNode(ManagedNode):
    """Assembles observations, plans in a worker thread, publishes what it planned."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for configure."""
        super().__init__("policy_node", **options)
        self._settings = declare(self, PolicyParameters)
        self._streams_lock = threading.Lock()  # callbacks add, the planning thread takes
        self._planning_lock = threading.Lock()  # a policy is called from one thread at a time
        self._thread: PlanningThread | None = None
        self._streams: list[Any] = []
        self._received: Counter[str] = Counter()
        self._state = PolicyStatus.UNCONFIGURED
        self._reasons: tuple[str, ...] = ()

    def configure(self) -> None:
        """Load the robot and the policy, warm it up, subscribe."""
        p = self._settings
        self._embodiment = load_embodiment(p.embodiment)
        self._policy = make_policy(
            PolicySettings(p.policy, p.checkpoint, p.device, p.dtype, p.steps, p.seed, p.threads),
            self._embodiment,
        )
        limits_ms = (p.image_age_ms, p.state_age_ms, p.camera_skew_ms)
        freshness = Freshness(*(round(1e6 * ms) for ms in limits_ms))
        self._assembler = ObservationAssembler(self._embodiment, freshness)
        execute = p.execute or self._embodiment.policy.execute
        self._planner = Planner(
            self._embodiment, self._policy, self._snapshot, execute, self._now_ns
        )
        problem = self._planner.set_prompt(p.prompt)
        if problem:
            raise ValueError(f"prompt: {problem}")
        self.get_logger().info(f"warming up the policy '{self._policy.name}'")
        self._policy.warm_up()
        self._chunks = self.create_publisher(ActionChunk, "~/action_chunk", qos.CHUNKS)
        self._status = self.create_publisher(PolicyStatus, "~/status", qos.STATUS)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.STATUS)
        self._subscribe()
        self._streams += [
            self.create_service(SetPrompt, "~/set_prompt", self._on_set_prompt),
            self.create_service(GetActionChunk, "~/get_action_chunk", self._on_get_action_chunk),
            self.create_timer(1.0, self._publish_status, clock=STEADY),
        ]
        self._become(PolicyStatus.INACTIVE, ())

    def activate(self) -> None:
        """Start planning."""
        self._planner.forget()
        self._thread = PlanningThread(self._plan, self._fail)

    def deactivate(self) -> None:
        """Stop planning; the executor then runs out of chunks and holds."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
            self._become(PolicyStatus.INACTIVE, ())

    def cleanup(self) -> None:
        """Drop the streams and the policy."""
        for stream in self._streams:
            stream.destroy()
        self._streams.clear()
        self._state = PolicyStatus.UNCONFIGURED

    # --- streams in --------------------------------------------------------------------------

    def _subscribe(self) -> None:
        kind, suffix, decode = TRANSPORTS[self._settings.image_transport]
        for camera in self._embodiment.cameras:
            self._streams.append(
                self.create_subscription(
                    kind,
                    camera.topic + suffix,
                    lambda message, name=camera.name: self._on_image(name, decode, message),
                    qos.IMAGES,
                )
            )
        self._streams.append(
            self.create_subscription(
                JointState, "joint_states", self._on_joint_states, qos.JOINT_STATES
            )
        )

    def _on_image(self, camera: str, decode: Any, message: Any) -> None:
        self._received[camera] += 1
        try:
            rgb = decode(message)
        except ImageError as error:
            with self._streams_lock:
                self._assembler.report_fault(camera, f"{camera}: {error}")
            return
        with self._streams_lock:
            self._assembler.add_image(camera, to_ns(message.header.stamp), rgb)

    def _on_joint_states(self, message: JointState) -> None:
        self._received["joint_states"] += 1
        with self._streams_lock:
            self._assembler.add_positions(to_ns(message.header.stamp), positions_by_name(message))

    def _snapshot(self, now_ns: int, prompt: str) -> Observation | NotReady:
        with self._streams_lock:
            return self._assembler.snapshot(now_ns, prompt)

    # --- planning ----------------------------------------------------------------------------

    def _plan(self) -> None:
        """Plan if due; runs in the worker thread."""
        with self._planning_lock:
            result = self._planner.tick()
        if isinstance(result, NotReady):
            self._become(PolicyStatus.WAITING, result.reasons)
        elif result is not None:
            self._chunks.publish(encode_chunk(result, self._embodiment.name))
            self._become(PolicyStatus.PLANNING, ())

    def _fail(self, error: str) -> None:
        self.get_logger().error(f"planning ended: {error}")
        self._become(PolicyStatus.FAILED, (error.strip().splitlines()[-1],))

    # --- services ----------------------------------------------------------------------------

    def _on_set_prompt(
        self, request: SetPrompt.Request, response: SetPrompt.Response
    ) -> SetPrompt.Response:
        problem = self._planner.set_prompt(request.prompt)
        response.success, response.message = problem is None, problem or ""
        self.get_logger().info(f"prompt: {problem or request.prompt!r}")
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

    # --- status ------------------------------------------------------------------------------

    def _become(self, state: int, reasons: tuple[str, ...]) -> None:
        """Log and publish a change; the same again says nothing."""
        if (state, reasons) == (self._state, self._reasons):
            return
        self._state, self._reasons = state, reasons
        if reasons:
            self.get_logger().warning(f"no plan: {'; '.join(reasons)}")
        self._publish_status()

    def _publish_status(self) -> None:
        planner, p, now_ns = self._planner, self._settings, self._now_ns()
        message = PolicyStatus(
            state=self._state,
            embodiment=self._embodiment.name,
            policy=self._policy.name,
            checkpoint=p.checkpoint,
            prompt=planner.prompt,
            chunks=planner.chunks,
            latency=to_duration(planner.latency.inference_ns),
            observation_age=to_duration(planner.latency.observation_age_ns),
            reasons=list(self._reasons),
        )
        message.header.stamp = to_time(now_ns)
        self._status.publish(message)
        values = {f"{name} received": count for name, count in self._received.items()}
        failed = self._state == PolicyStatus.FAILED
        self._diagnostics.publish(
            diagnostics(
                now_ns, self.get_fully_qualified_name(), self._reasons, values, failed=failed
            )
        )

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the node."""
    sys.exit(run(PolicyNode))


if __name__ == "__main__":
    main()
