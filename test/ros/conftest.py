"""Real nodes over real DDS, in a ROS domain that nobody else hears."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="no ROS 2: make setup installs it")

# One domain per test process, below the ports that Linux hands out by itself.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

import numpy as np
import rclpy
from pi0_msgs.msg import ActionChunk
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Header

from pi0_ros.bridge.chunks import encode_chunk
from pi0_ros.bridge.commands import make_encoder
from pi0_ros.bridge.images import encode_compressed, encode_image
from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.bridge.stamps import to_time
from pi0_ros.bringup import shared_environment
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk as Chunk
from pi0_ros.execution.chunk import action_kinds
from pi0_ros.nodes import qos
from pi0_ros.nodes.collected import CollectedSubscription
from pi0_ros.nodes.managed import ManagedNode

os.environ.update(shared_environment())
TIMEOUT_S = 20.0


@pytest.fixture(scope="session", autouse=True)
def _rclpy() -> Iterator[None]:
    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope="session")
def robot() -> Embodiment:
    return load_embodiment("ur5e_bimanual")


class Peer:
    """The rest of the graph, as seen by the node under test: cameras, driver, policy, operator."""

    def __init__(self, robot: Embodiment) -> None:
        self.robot = robot
        self.node = Node("peer")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        # Made before a node starts: loading a message type stops the whole process for a while.
        self._publishers: dict[str, Any] = {
            topic: self.node.create_publisher(kind, topic, qos.STATUS)
            for topic, kind in (("joint_states", JointState), ("action_chunk", ActionChunk))
        }
        self.heard: dict[str, list[Any]] = {}
        # Controllers, whose messages nobody reads: an executor commands no arm without one.
        self._controllers = [self._listening(controller) for controller in robot.controllers]

    def _listening(self, controller: Any) -> CollectedSubscription | None:
        try:
            kind = make_encoder(controller, self.robot).message_type
        except ImportError:  # its messages come with a distribution
            return None
        if hasattr(kind, "Goal"):
            return None
        return CollectedSubscription(self.node, kind, controller.topic, print, qos.COMMANDS)

    def stop_controllers(self) -> None:
        """Take no commands any more."""
        for controller in self._controllers:
            if controller is not None:
                controller.destroy()
        self._controllers.clear()

    @property
    def now_ns(self) -> int:
        return int(self.node.get_clock().now().nanoseconds)

    def listen(self, kind: Any, topic: str, profile: Any = qos.STATUS) -> list[Any]:
        """Collect the messages of a topic in a list."""
        messages = self.heard.setdefault(topic, [])
        self.node.create_subscription(kind, topic, messages.append, profile)
        return messages

    def publish(self, topic: str, message: Any, profile: Any = qos.STATUS) -> None:
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(type(message), topic, profile)
        self._publishers[topic].publish(message)

    def publish_pose(self, position: np.ndarray | None = None, without: str = "") -> None:
        """Publish joint_states of now; at home unless a pose (D,) is given."""
        position = self.robot.home if position is None else position
        kept = [i for i, name in enumerate(self.robot.joint_names) if name != without]
        names = [self.robot.joint_names[i] for i in kept]
        self.publish(
            "joint_states", joint_state(names, self.now_ns, position[kept], 0 * position[kept])
        )

    def publish_images(
        self, rgb: np.ndarray | None = None, *, compressed: bool = False, without: str = ""
    ) -> int:
        """Publish one image per camera, all of one stamp, and return it [ns]."""
        stamp_ns = self.now_ns
        rgb = np.full((48, 64, 3), 90, np.uint8) if rgb is None else rgb
        for camera in self.robot.cameras:
            if camera.name != without:
                header = Header(stamp=to_time(stamp_ns), frame_id=camera.frame)
                message: Image | CompressedImage = (
                    encode_compressed(rgb, header) if compressed else encode_image(rgb, header)
                )
                topic = camera.topic + ("/compressed" if compressed else "")
                self.publish(topic, message, qos.IMAGES)
        return stamp_ns

    def publish_chunk(self, chunk: Chunk) -> None:
        self.publish("action_chunk", encode_chunk(chunk, self.robot.name), qos.CHUNKS)

    def chunk(self, goal: np.ndarray | None = None, **changes: Any) -> Chunk:
        """A chunk that starts now and goes from home to a goal (D,) along a straight line."""
        goal = self.robot.home if goal is None else goal
        steps = np.linspace(0, 1, self.robot.policy.horizon)[:, None]
        fields = {
            "names": self.robot.axis_names,
            "kinds": action_kinds(self.robot),
            "actions": self.robot.home + steps * (goal - self.robot.home),
            "start_ns": self.now_ns,
            "period_ns": self.robot.policy.period_ns,
        }
        return Chunk(**{**fields, **changes})

    def until(
        self,
        condition: Callable[[], Any],
        meanwhile: Callable[[], Any] = lambda: None,
        every_s: float = 0.02,
        within_s: float = TIMEOUT_S,
    ) -> Any:
        """Spin until a condition is truthy and return it; do something now and then meanwhile."""
        deadline, due = time.monotonic() + within_s, 0.0
        while not (result := condition()):
            assert time.monotonic() < deadline, f"not in time; heard {self.newest()}"
            if time.monotonic() >= due:
                meanwhile()
                due = time.monotonic() + every_s
            self._executor.spin_once(timeout_sec=0.01)
        return result

    def newest(self) -> dict[str, Any]:
        """The last message of each topic that is listened to."""
        return {topic: messages[-1] for topic, messages in self.heard.items() if messages}

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready)
        future = client.call_async(kind.Request(**fields))
        return self.until(lambda: future.done() and future.result())

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def peer_of() -> Iterator[Callable[[Embodiment], Peer]]:
    """Play the rest of the graph for a robot."""
    made: list[Peer] = []

    def make(robot: Embodiment) -> Peer:
        made.append(Peer(robot))
        return made[-1]

    yield make
    for peer in made:
        peer.close()


@pytest.fixture
def peer(robot: Embodiment, peer_of: Callable[[Embodiment], Peer]) -> Peer:
    return peer_of(robot)


@pytest.fixture
def start() -> Iterator[Callable[..., ManagedNode]]:
    """Start a node of ours in this process, spun by a thread of its own."""
    started: list[tuple[ManagedNode, SingleThreadedExecutor, threading.Thread]] = []

    def make(kind: type[ManagedNode], **parameters: Any) -> ManagedNode:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = kind(parameter_overrides=overrides)
        assert node.start(), "the node did not start; its log says why"
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()
        started.append((node, executor, thread))
        return node

    yield make
    for node, executor, thread in started:
        executor.shutdown()
        thread.join()
        node.finish()
        node.destroy_node()
