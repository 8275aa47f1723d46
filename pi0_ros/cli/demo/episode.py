"""One demo client: gives prompts, resets the cell, and records what goes over the topics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pi0_msgs.msg import ActionChunk, ExecutorStatus, PolicyStatus
from pi0_msgs.srv import SetPrompt
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, JointState
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from pi0_ros.bridge.chunks import decode_chunk
from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.markers import block_places
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.bridge.trajectories import committed
from pi0_ros.cli.demo.timeline import CommandTimeline
from pi0_ros.embodiment.kinematics import Chain
from pi0_ros.embodiment.loading import load_urdf
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import ordered
from pi0_ros.execution.chunk import ActionChunk as Chunk
from pi0_ros.nodes import qos
from pi0_ros.policy.instruction import parse_instruction
from pi0_ros.simulation.task import REACHED_FOR_S, REACHED_M, reach_goal

SERVICE_TIMEOUT_S = 30.0
FRESH_FRAMES = 3  # of the overview camera, after which every other camera has sent one, too


class DemoError(RuntimeError):
    """The demo cannot go on; the message says at which point."""


@dataclass(eq=False)
class EpisodeRecord:
    """What one episode left behind; instants are wall clock [ns] unless said."""

    prompt: str
    success: bool = False
    duration_s: float = 0.0
    distances: list[tuple[float, float]] = field(default_factory=list)  # (s, m)
    states: list[tuple[int, np.ndarray]] = field(default_factory=list)
    chunks: list[tuple[int, Chunk]] = field(default_factory=list)  # (arrival, chunk)
    statuses: list[ExecutorStatus] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)  # JPEG
    commands: list[tuple[str, bytes]] = field(default_factory=list)  # (controller, serialized)

    def timelines(self, embodiment: Embodiment) -> dict[str, CommandTimeline]:
        """Merge the commands of each trajectory controller, by its name."""
        timelines = {
            c.name: CommandTimeline(embodiment, c.joints)
            for c in embodiment.controllers
            if c.type == "joint_trajectory"
        }
        for controller, serialized in self.commands:
            message = deserialize_message(serialized, JointTrajectory)
            positions = np.array([point.positions for point in committed(message)])
            timelines[controller].add(to_ns(message.header.stamp), positions)
        return timelines


class DemoClient:
    """Talks to the nodes as a user's program would.

    Args:
        node: Carries the subscriptions and clients.
        embodiment: The robot.
    """

    def __init__(self, node: Node, embodiment: Embodiment) -> None:
        """Subscribe to everything that is shown or recorded."""
        self._node = node
        self._embodiment = embodiment
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        urdf = load_urdf(embodiment)
        self._tools = {
            name: Chain(urdf, arm.tool_link, embodiment.joint_names)
            for name, arm in embodiment.arms.items()
        }
        self._blocks: dict[str, np.ndarray] = {}
        self._state: np.ndarray | None = None
        self._frames_after_ns = self._fresh_frames = 0
        self.executor_status: ExecutorStatus | None = None
        self.policy_status: PolicyStatus | None = None
        self.record: EpisodeRecord | None = None
        self._subscribe()

    def _subscribe(self) -> None:
        subscribe = self._node.create_subscription
        subscribe(JointState, "joint_states", self._on_joint_states, qos.JOINT_STATES)
        subscribe(MarkerArray, "sim_robot_node/blocks", self._on_blocks, qos.LATCHED)
        subscribe(ActionChunk, "policy_node/action_chunk", self._on_chunk, qos.CHUNKS)
        subscribe(PolicyStatus, "policy_node/status", self._on_policy_status, qos.STATUS)
        subscribe(ExecutorStatus, "chunk_executor_node/status", self._on_status, qos.STATUS)
        subscribe(CompressedImage, "overview/image_raw/compressed", self._on_frame, qos.IMAGES)
        for controller in self._embodiment.controllers:
            if controller.type == "joint_trajectory":
                subscribe(
                    JointTrajectory,
                    controller.topic,
                    lambda message, name=controller.name: self._on_command(name, message),
                    qos.STATUS,
                    raw=True,  # decoded after the episode: two cores have enough to do
                )

    # --- what a user does --------------------------------------------------------------------

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        """Call a service and return the response.

        Raises:
            DemoError: The service is missing, silent, or refuses.
        """
        client = self._node.create_client(kind, name)
        if not client.wait_for_service(SERVICE_TIMEOUT_S):
            raise DemoError(f"service {name} did not appear within {SERVICE_TIMEOUT_S:.0f} s")
        future = client.call_async(kind.Request(**fields))
        self._executor.spin_until_future_complete(future, SERVICE_TIMEOUT_S)
        response = future.result() if future.done() else None
        self._node.destroy_client(client)
        if response is None or not response.success:
            raise DemoError(f"{name}: {response.message if response else 'no answer'}")
        return response

    def wait_for(self, what: str, condition: Callable[[], bool], timeout_s: float) -> None:
        """Spin until a condition holds.

        Raises:
            DemoError: It does not hold in time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise DemoError(f"{what} did not happen within {timeout_s:.0f} s")
            self._executor.spin_once(timeout_sec=0.05)

    def wait_until_up(self, timeout_s: float) -> None:
        """Wait until all three nodes speak."""
        self.wait_for(
            "messages of all nodes",
            lambda: bool(self._blocks) and None not in (self.executor_status, self.policy_status),
            timeout_s,
        )

    def run_episode(
        self, prompt: str, timeout_s: float, show: Callable[[EpisodeRecord], None]
    ) -> EpisodeRecord:
        """Reset the cell, give a prompt, and watch until the block is reached or time is over."""
        self.call(SetPrompt, "policy_node/set_prompt", prompt="")
        self.call(SetBool, "chunk_executor_node/enable", data=False)
        self.wait_for("the end of all commands", self._is_silent, 5.0)
        self.call(Trigger, "sim_robot_node/reset")
        self._wait_for_fresh_views()
        record = self.record = EpisodeRecord(prompt)
        self.call(SetBool, "chunk_executor_node/enable", data=True)
        self.call(SetPrompt, "policy_node/set_prompt", prompt=prompt)
        started, reached_at, shown = time.monotonic(), None, 0.0
        while (now := time.monotonic()) - started < timeout_s and not record.success:
            self._executor.spin_once(timeout_sec=0.02)
            distance = self.distance(prompt)
            reached_at = (reached_at or now) if distance < REACHED_M else None
            record.success = reached_at is not None and now - reached_at > REACHED_FOR_S
            if now - shown > 0.1:
                record.distances.append((now - started, distance))
                show(record)
                shown = now
        record.duration_s = time.monotonic() - started
        self.record = None
        return record

    def distance(self, prompt: str) -> float:
        """Return how far the named arm's tool is from the named block's goal [m]."""
        if self._state is None or not self._blocks:
            return float("inf")
        instruction = parse_instruction(prompt, self._embodiment.arms)
        tool = self._tools[instruction.arm].position(self._state)
        return float(np.linalg.norm(tool - reach_goal(self._blocks[instruction.color])))

    def _wait_for_fresh_views(self) -> None:
        """Let all that the policy sees be from after a reset, so that no plan starts before it."""
        self._state, self._frames_after_ns, self._fresh_frames = None, self._now_ns(), 0
        self.wait_for(
            "joint_states and images",
            lambda: self._state is not None and self._fresh_frames >= FRESH_FRAMES,
            5.0,
        )

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _is_silent(self) -> bool:
        status = self.executor_status
        return status is not None and status.state == ExecutorStatus.DISABLED

    # --- what comes back ---------------------------------------------------------------------

    def _on_joint_states(self, message: JointState) -> None:
        self._state = ordered(self._embodiment.joint_names, positions_by_name(message))
        if self.record:
            self.record.states.append((to_ns(message.header.stamp), self._state))

    def _on_blocks(self, message: MarkerArray) -> None:
        self._blocks = block_places(message)

    def _on_chunk(self, message: ActionChunk) -> None:
        if self.record and message.prompt == self.record.prompt:
            self.record.chunks.append((self._now_ns(), decode_chunk(message)))

    def _on_policy_status(self, message: PolicyStatus) -> None:
        self.policy_status = message

    def _on_status(self, message: ExecutorStatus) -> None:
        self.executor_status = message
        if self.record:
            self.record.statuses.append(message)

    def _on_frame(self, message: CompressedImage) -> None:
        if to_ns(message.header.stamp) > self._frames_after_ns:
            self._fresh_frames += 1
            if self.record:
                self.record.frames.append(bytes(message.data))

    def _on_command(self, controller: str, message: bytes) -> None:
        if self.record:
            self.record.commands.append((controller, message))
