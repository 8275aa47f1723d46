"""The subscriptions to every source of measured positions, each told apart."""

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
from pi0_ros.nodes.clocks import STEADY
from pi0_ros.nodes.collected import CollectedSubscription
from pi0_ros.nodes.disposal import dispose

COLLECTED_S = 0.02  # how often what has arrived is taken


class SourceStreams:
    """Decodes what each driver of one robot tells, 50 times a second; calls back from callbacks.

    Args:
        node: Carries the subscriptions.
        embodiment: The robot with its sources of states.
        measured: Called with the source's place, stamp [ns] and its joints' positions (n,)
            [rad or m].
        failed: Called with the source's place and why its message could not be used.

    Attributes:
        received: Messages by topic.

    Raises:
        ImportError: A source needs a message package that is not there.
    """

    def __init__(
        self,
        node: Node,
        embodiment: Embodiment,
        measured: Callable[[int, int, np.ndarray], None],
        failed: Callable[[int, str], None],
    ) -> None:
        """Subscribe."""
        self._node = node
        self._measured, self._failed = measured, failed
        self.received: Counter[str] = Counter()
        # All of them first: where one cannot be made, nothing is left behind on the node.
        decoders = [make_decoder(source, embodiment) for source in embodiment.state_sources]
        self._subscriptions = [
            CollectedSubscription(
                node,
                decoder.message_type,
                source.topic,
                partial(self._on_message, place, source.topic, decoder),
                qos.STATES,
            )
            for place, (source, decoder) in enumerate(
                zip(embodiment.state_sources, decoders, strict=True)
            )
        ]
        self._timer = node.create_timer(COLLECTED_S, self.collect, clock=STEADY)

    def collect(self) -> None:
        """Take what has arrived now; the first source, which others are put beside, last."""
        for subscription in reversed(self._subscriptions):
            subscription.collect()

    def destroy(self) -> None:
        """Unsubscribe."""
        dispose(self._node, [self._timer, *self._subscriptions])

    def _on_message(self, place: int, topic: str, decoder: StateDecoder, message: Any) -> None:
        self.received[topic] += 1
        try:
            stamp_ns, positions = decoder.decode(message)
        except ValueError as error:
            self._failed(place, str(error))
            return
        if stamp_ns is None:
            stamp_ns = int(self._node.get_clock().now().nanoseconds)
        self._measured(place, stamp_ns, positions)
