"""The subscriptions that tell where the joints are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rclpy.node import Node

from pi0_ros.bridge.states import StateDecoder, make_decoder
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.observation.positions import Lacking, MeasuredPositions, Pose


class StateStreams:
    """Puts together what the drivers of one robot tell; calls back from their callbacks.

    Args:
        node: Carries the subscriptions.
        embodiment: The robot with its sources of states; the first one sets the rate.
        age_limit_ns: Greatest difference between the stamps of two sources [ns].
        measured: Called with stamp [ns] and positions of all joints (J,) [rad or m].
        lacking: Called with the reason why there are none.

    Attributes:
        received: Messages by topic.

    Raises:
        ImportError: A source needs a message package that is not there.
    """

    def __init__(
        self,
        node: Node,
        embodiment: Embodiment,
        age_limit_ns: int,
        measured: Callable[[int, np.ndarray], None],
        lacking: Callable[[str], None],
    ) -> None:
        """Subscribe."""
        self._node = node
        self._merged = MeasuredPositions(embodiment, age_limit_ns)
        self._measured, self._lacking = measured, lacking
        self.received: Counter[str] = Counter()
        # All of them first: where one cannot be made, nothing is left behind on the node.
        decoders = [make_decoder(source, embodiment) for source in embodiment.state_sources]
        self._subscriptions = [
            node.create_subscription(
                decoder.message_type,
                source.topic,
                partial(self._on_message, place, source.topic, decoder),
                qos.JOINT_STATES,
            )
            for place, (source, decoder) in enumerate(
                zip(embodiment.state_sources, decoders, strict=True)
            )
        ]

    def destroy(self) -> None:
        """Unsubscribe."""
        dispose(self._node, self._subscriptions)

    def _on_message(self, place: int, topic: str, decoder: StateDecoder, message: Any) -> None:
        self.received[topic] += 1
        pose: Pose | Lacking | None
        try:
            stamp_ns, positions = decoder.decode(message)
            if stamp_ns is None:
                stamp_ns = int(self._node.get_clock().now().nanoseconds)
            pose = self._merged.take(place, stamp_ns, positions)
        except ValueError as error:
            pose = self._merged.miss(place, str(error))
        if isinstance(pose, Pose):
            self._measured(pose.stamp_ns, pose.positions)
        elif pose is not None:
            self._lacking(pose.reason)
