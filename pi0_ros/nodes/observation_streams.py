"""The subscriptions that feed observations: cameras and measured positions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from pi0_ros.bridge.images import ImageError, decode_compressed, decode_image
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.source_streams import SourceStreams
from pi0_ros.observation.assembler import ObservationAssembler
from pi0_ros.observation.freshness import Freshness
from pi0_ros.observation.observation import NotReady, Observation

Decode = Callable[[Any], np.ndarray]
TRANSPORTS: dict[str, tuple[Any, str, Decode]] = {
    "raw": (Image, "", decode_image),
    "compressed": (CompressedImage, "/compressed", decode_compressed),
}
BACKWARD = JumpThreshold(
    min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
)


class ObservationStreams:
    """Decodes what arrives and hands it to the assembler; any thread may take a snapshot.

    When simulated time starts over, everything is forgotten and said in the log.

    Args:
        node: Carries the subscriptions.
        embodiment: The robot with its cameras.
        freshness: Limits on age, skew and gaps.
        transport: ``raw`` or ``compressed``.

    Attributes:
        received: Messages by camera and by topic of states.
    """

    def __init__(
        self, node: Node, embodiment: Embodiment, freshness: Freshness, transport: str
    ) -> None:
        """Subscribe."""
        self._node = node
        self._lock = threading.Lock()
        self._assembler = ObservationAssembler(embodiment, freshness)
        self._sources = SourceStreams(node, embodiment, self._on_measured, self._on_failed)
        self.received = self._sources.received
        kind, suffix, decode = TRANSPORTS[transport]
        self._streams = [
            self._sources,
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
        clock = node.get_clock()
        self._jumps = clock.create_jump_callback(BACKWARD, post_callback=self._on_jump)

    def snapshot(self, now_ns: int, prompt: str) -> Observation | NotReady:
        """Assemble the newest observation at an instant [ns, node clock]."""
        self._sources.collect()
        with self._lock:
            return self._assembler.snapshot(now_ns, prompt)

    def destroy(self) -> None:
        """Unsubscribe."""
        self._jumps.unregister()
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

    def _on_measured(self, source: int, stamp_ns: int, positions: np.ndarray) -> None:
        with self._lock:
            self._assembler.add_positions(source, stamp_ns, positions)

    def _on_failed(self, source: int, fault: str) -> None:
        with self._lock:
            self._assembler.report_fault(source, fault)

    def _on_jump(self, jump: TimeJump) -> None:
        with self._lock:
            self._assembler.clear()
        by_s = abs(jump.delta.nanoseconds) / 1e9
        self._node.get_logger().warning(
            f"the clock jumped by {by_s:.1f} s; all images and positions are forgotten"
        )
