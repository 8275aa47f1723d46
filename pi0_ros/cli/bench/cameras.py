"""Loss of raw camera images between two processes: a source here, the policy node there."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from pi0_ros.bridge.images import encode_image
from pi0_ros.bringup import shared_environment
from pi0_ros.cli.stack import Stack, isolate_domain
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import qos

START_TIMEOUT_S = 60.0
SETTLE_S = 3.0  # after the last image, until the node's counts arrive


class Source:
    """Publishes images of all cameras at their rates and reads the policy node's counts."""

    def __init__(self, embodiment: str) -> None:
        """Make the publishers."""
        self._cameras = load_embodiment(embodiment).cameras
        self._node = Node("pi0_bench")
        self._publishers = {
            c.name: self._node.create_publisher(Image, c.topic, qos.IMAGES) for c in self._cameras
        }
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_counts, qos.STATUS)
        self._counts: dict[str, int] = {}
        self._counted_before: dict[str, int] = {}
        self.sent = 0

    def wait_for_subscriber(self, stack: Stack) -> None:
        """Wait until the policy node listens to every camera."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(p.get_subscription_count() for p in self._publishers.values()):
            if time.monotonic() > deadline or stack.died() is not None:
                raise RuntimeError(f"policy_node does not listen:\n{stack.last_lines()}")
            rclpy.spin_once(self._node, timeout_sec=0.1)

    def publish(self, seconds: float) -> float:
        """Publish for a while and return the rate that was reached [Hz]."""
        camera = self._cameras[0]
        rgb = np.random.default_rng(0).integers(
            0, 255, (camera.height, camera.width, 3), dtype=np.uint8
        )
        started = deadline = time.monotonic()
        while deadline - started < seconds:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            for publisher in self._publishers.values():
                publisher.publish(encode_image(rgb, header))
            self.sent += 1
            deadline += 1 / camera.rate_hz
            rclpy.spin_once(self._node, timeout_sec=0)
            time.sleep(max(deadline - time.monotonic(), 0))
        return self.sent / (time.monotonic() - started)

    @property
    def received(self) -> dict[str, int]:
        """Images that arrived since :meth:`warm_up`, by camera."""
        return {name: n - self._counted_before.get(name, 0) for name, n in self._counts.items()}

    def warm_up(self) -> None:
        """Publish until every reader is matched; these images do not count."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._counts or not all(self._counts.values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"images do not arrive: {self._counts}")
            self.publish(1.0)
        self.settle()
        self._counted_before, self.sent = self._counts, 0

    def settle(self) -> None:
        """Wait for the node's last counts."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            rclpy.spin_once(self._node, timeout_sec=0.1)

    def _on_counts(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith("policy_node"):
                counts = {v.key.removesuffix(" received"): int(v.value) for v in status.values}
                self._counts = {c.name: counts.get(c.name, 0) for c in self._cameras}


def bench_cameras(embodiment: str, seconds: float, *, profile: bool) -> dict[str, Any]:
    """Send raw images of all cameras at once and count what arrives.

    Args:
        embodiment: Name of the robot; its cameras' sizes and rates are used.
        seconds: How long [s].
        profile: Use the Fast DDS profile of this package; without it the default loses images.
    """
    isolate_domain()
    if profile:
        os.environ.update(shared_environment())
    with tempfile.TemporaryDirectory() as folder:
        arguments = [embodiment, "--no-simulation", *([] if profile else ["--no-profile"])]
        with Stack(arguments, Path(folder) / "log.txt") as stack:
            rclpy.init()
            source = Source(embodiment)
            source.wait_for_subscriber(stack)
            source.warm_up()
            rate_hz = source.publish(seconds)
            source.settle()
            rclpy.shutdown()
    lost = {name: source.sent - count for name, count in source.received.items()}
    return {
        "rate_hz": round(rate_hz, 1),
        "sent_per_camera": source.sent,
        "received": source.received,
        "lost": lost,
    }
