"""The speed sliders of the robots behind the controllers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from rclpy.node import Node
from std_msgs.msg import Float64

from pi0_ros.embodiment.controllers import slider_topics
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose

ANYBODY = "speed_scaling"  # a share of the speed from 0 to 1, whoever publishes it


class SpeedSliders:
    """Hears every slider of a robot's YAML, and `speed_scaling`, as shares of the full speed.

    Args:
        node: Carries the subscriptions.
        embodiment: The robot.
        on_change: Gets the slowest share of all, each time one is heard.
    """

    def __init__(self, node: Node, embodiment: Embodiment,
                 on_change: Callable[[float], None]) -> None:  # fmt: skip
        """Subscribe; what was not heard yet slows nothing."""
        self._node, self._on_change = node, on_change
        self._shares: dict[str, float] = {}
        full = {ANYBODY: 1.0} | slider_topics(embodiment.controllers)
        self._subscriptions = [
            node.create_subscription(
                Float64, topic, partial(self._on_share, topic, unit), qos.JOINT_STATES
            )
            for topic, unit in full.items()
        ]

    def destroy(self) -> None:
        """Unsubscribe."""
        dispose(self._node, self._subscriptions)

    def _on_share(self, topic: str, full: float, message: Float64) -> None:
        self._shares[topic] = as_share(message, full)
        self._on_change(min(self._shares.values()))


def as_share(message: Float64, full: float) -> float:
    """Return a share of the full speed in [0, 1]; what is not a number pauses."""
    share = message.data / full
    return min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
