"""The subscriptions that feed observations: cameras and joint_states."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, JointState

from pi0_ros.bridge.images import ImageError, decode_compressed, decode_image
from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.observation.assembler import Freshness, ObservationAssembler
from pi0_ros.observation.observation import NotReady, Observation

Decode = Callable[[Any], np.ndarray]
TRANSPORTS: dict[str, tuple[Any, str, Decode]] = {
    "raw": (Image, "", decode_image),
    "compressed": (CompressedImage, "/compressed", decode_compressed),
}


class ObservationStreams:
    """Decodes what arrives and hands it to the assembler; any thread may take a snapshot.

    Args:
        node: Carries the subscriptions.
        embodiment: The robot with its cameras.
        freshness: Limits on age and skew.
        transport: ``raw`` or ``compressed``.
    """

    def __init__(
        self, node: Node, embodiment: Embodiment, freshness: Freshness, transport: str
    ) -> None:
        """Subscribe."""
        self._node = node
        self._lock = threading.Lock()
        self._assembler = ObservationAssembler(embodiment, freshness)
        self.received: Counter[str] = Counter()
        kind, suffix, decode = TRANSPORTS[transport]
        self._subscriptions = [
            node.create_subscription(
                JointState, "joint_states", self._on_joint_states, qos.JOINT_STATES
            )
        ]
        for camera in embodiment.cameras:
            self._subscriptions.append(
                node.create_subscription(
                    kind,
                    camera.topic + suffix,
                    lambda message, name=camera.name: self._on_image(name, decode, message),
                    qos.IMAGES,
                )
            )

    def snapshot(self, now_ns: int, prompt: str) -> Observation | NotReady:
        """Assemble the newest observation at an instant [ns, node clock]."""
        with self._lock:
            return self._assembler.snapshot(now_ns, prompt)

    def destroy(self) -> None:
        """Unsubscribe."""
        dispose(self._node, self._subscriptions)

    def _on_image(self, camera: str, decode: Decode, message: Any) -> None:
        self.received[camera] += 1
        try:
            rgb = decode(message)
        except ImageError as error:
            with self._lock:
                self._assembler.report_fault(camera, f"{camera}: {error}")
            return
        with self._lock:
            self._assembler.add_image(camera, to_ns(message.header.stamp), rgb)

    def _on_joint_states(self, message: JointState) -> None:
        self.received["joint_states"] += 1
        with self._lock:
            self._assembler.add_positions(to_ns(message.header.stamp), positions_by_name(message))
