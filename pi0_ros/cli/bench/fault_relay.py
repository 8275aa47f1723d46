"""Stands between a robot and the rest of its cell: streams that can be paused, a clock that jumps.

Run as a process of its own, which is told what to do on its standard input: ``pause TOPIC``,
``resume TOPIC``, ``shift SECONDS``.
"""

from __future__ import annotations

import sys
import threading
import time
from functools import partial

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState

from pi0_ros.bridge.stamps import to_time
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.worker_thread import WorkerThread, on_deadlines

CLOCK_HZ = 250.0


def behind(topic: str) -> str:
    """Return the topic behind the relay, where the robot itself publishes."""
    return f"robot/{topic}"


class Relay(Node):
    """Passes messages on as they are, byte by byte.

    Args:
        robot: Its cameras and joint states are passed on.
    """

    def __init__(self, robot: Embodiment) -> None:
        """Connect all topics."""
        super().__init__("fault_relay")
        self._paused: set[str] = set()
        streams = {camera.topic: (Image, qos.IMAGES) for camera in robot.cameras}
        streams["joint_states"] = (JointState, qos.STATUS)
        for topic, (kind, profile) in streams.items():
            passing = partial(self._pass, topic, self.create_publisher(kind, topic, profile))
            self.create_subscription(kind, behind(topic), passing, profile, raw=True)
        self._clock = self.create_publisher(Clock, "/clock", qos.JOINT_STATES)
        self._shift_ns = 0

    def tell_time(self) -> None:
        """Publish the machine's time, shifted."""
        self._clock.publish(Clock(clock=to_time(time.time_ns() + self._shift_ns)))

    def obey(self, order: str) -> None:
        """Do what a line says.

        Raises:
            ValueError: It has another form.
        """
        match order.split():
            case ["pause", topic]:
                self._paused.add(topic)
            case ["resume", topic]:
                self._paused.discard(topic)
            case ["shift", seconds]:
                self._shift_ns += round(float(seconds) * 1e9)
            case _:
                raise ValueError(f"'{order}' must be pause TOPIC, resume TOPIC or shift SECONDS")

    def _pass(self, topic: str, publisher: object, message: bytes) -> None:
        if topic not in self._paused:
            publisher.publish(message)  # type: ignore[attr-defined]


def main() -> None:
    """Relay for the robot that the first word names; with a second word, drive /clock, too."""
    rclpy.init()
    relay = Relay(load_embodiment(sys.argv[1], simulation=True))
    if len(sys.argv) > 2:
        loop = on_deadlines(1 / CLOCK_HZ, relay.tell_time)
        WorkerThread("clock", loop, relay.get_logger().fatal)
    threading.Thread(target=lambda: [*map(relay.obey, sys.stdin)], daemon=True).start()
    try:
        rclpy.spin(relay)
    except (KeyboardInterrupt, ExternalShutdownException):
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
