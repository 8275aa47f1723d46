"""The subscriptions that feed observations: cameras and measured positions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from pi0_ros.bridge.images import ImageError, decode_compressed, decode_image
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.embodiment.spec import JOINT_STATES, Embodiment
from pi0_ros.embodiment.vector import state_of
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.state_streams import StateStreams
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

    Attributes:
        received: Messages by camera and by topic of states.
    """

    def __init__(
        self, node: Node, embodiment: Embodiment, freshness: Freshness, transport: str
    ) -> None:
        """Subscribe."""
        self._node = node
        self._embodiment = embodiment
        self._lock = threading.Lock()
        self._assembler = ObservationAssembler(embodiment, freshness)
        states = StateStreams(
            node, embodiment, freshness.state_age_ns, self._on_measured, self._on_lacking
        )
        self.received = states.received
        kind, suffix, decode = TRANSPORTS[transport]
        self._streams = [
            states,
            *(
                node.create_subscription(
                    kind,
                    camera.topic + suffix,
                    partial(self._on_image, camera.name, decode),
                    qos.IMAGES,
                )
                for camera in embodiment.cameras
            ),
        ]

    def snapshot(self, now_ns: int, prompt: str) -> Observation | NotReady:
        """Assemble the newest observation at an instant [ns, node clock]."""
        with self._lock:
            return self._assembler.snapshot(now_ns, prompt)

    def destroy(self) -> None:
        """Unsubscribe."""
        dispose(self._node, self._streams)

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

    def _on_measured(self, stamp_ns: int, positions: np.ndarray) -> None:
        with self._lock:
            self._assembler.add_state(stamp_ns, state_of(self._embodiment, positions))

    def _on_lacking(self, reason: str) -> None:
        with self._lock:
            self._assembler.report_fault(JOINT_STATES, reason)
