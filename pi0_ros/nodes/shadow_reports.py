"""What chunk_executor_node says in shadow mode: how far the plans are from what was done."""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from pi0_msgs.msg import ShadowError
from rclpy.node import Node

from pi0_ros.bridge.shadow import shadow_error, shadow_values
from pi0_ros.bridge.status import diagnostics
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.execution.shadow import ShadowComparison
from pi0_ros.nodes import qos
from pi0_ros.nodes.clocks import STEADY
from pi0_ros.nodes.disposal import dispose

PERIOD_S = 1.0


class ShadowReports:
    """Publishes ~/shadow and an entry of /diagnostics once per second.

    All methods are for the thread of the node's callbacks.

    Args:
        node: Carries the publishers.
        embodiment: The robot.
    """

    def __init__(self, node: Node, embodiment: Embodiment) -> None:
        """Start with nothing compared."""
        self._node = node
        self._comparison = ShadowComparison(embodiment)
        self._errors = node.create_publisher(ShadowError, "~/shadow", qos.STATUS)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", qos.STATUS)
        self._timer = node.create_timer(PERIOD_S, self._publish, clock=STEADY)

    def take_chunk(self, chunk: ActionChunk) -> None:
        """Compare with a chunk that the executor accepted, or end with its withdrawal."""
        self._comparison.take_chunk(chunk)

    def take_pose(self, stamp_ns: int, positions: np.ndarray) -> None:
        """Compare a measured pose, (J,) [rad or m], of an instant [ns, node clock]."""
        self._comparison.take_pose(stamp_ns, positions)

    def destroy(self) -> None:
        """Stop reporting."""
        dispose(self._node, [self._timer, self._errors, self._diagnostics])

    def _publish(self) -> None:
        now_ns = int(self._node.get_clock().now().nanoseconds)
        self._errors.publish(shadow_error(self._comparison, now_ns))
        name = f"{self._node.get_fully_qualified_name()}: shadow mode"
        values = shadow_values(self._comparison)
        self._diagnostics.publish(diagnostics(now_ns, name, (), values, failed=False))
