"""What the chunk executor tells of its progress, for who plans and for who waits."""

from __future__ import annotations

from pi0_msgs.msg import ExecutorStatus
from rclpy.node import Node

from pi0_ros.bridge.stamps import to_ns
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.policy.progress import Progress

TOPIC = "chunk_executor_node/status"


class ExecutorProgress:
    """Keeps the newest report of the executor that runs beside a node.

    Args:
        node: Carries the subscription.

    Attributes:
        newest: None until an executor is heard; ask whether it is current.
    """

    def __init__(self, node: Node) -> None:
        """Start listening."""
        self._node = node
        self.newest: Progress | None = None
        self._subscription = node.create_subscription(
            ExecutorStatus, TOPIC, self._on_status, qos.STATUS
        )

    def get(self) -> Progress | None:
        """Return the newest report."""
        return self.newest

    def destroy(self) -> None:
        """Stop listening."""
        dispose(self._node, [self._subscription])

    def _on_status(self, message: ExecutorStatus) -> None:
        at_ns = to_ns(message.header.stamp)
        self.newest = Progress(
            sequence=message.sequence,
            start_ns=at_ns - to_ns(message.chunk_age),
            step=message.step,
            at_ns=at_ns,
            rate=message.clock_rate,
            is_executing=message.state == ExecutorStatus.EXECUTING,
            reason=message.reason,
            detail=message.detail,
        )
