"""What policy_node says about itself: ~/status, /diagnostics and the log."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray
from pi0_msgs.msg import PolicyStatus
from rclpy.node import Node

from pi0_ros.bridge.stamps import to_duration, to_time
from pi0_ros.bridge.status import diagnostics
from pi0_ros.nodes import qos
from pi0_ros.nodes.clocks import STEADY
from pi0_ros.nodes.disposal import dispose
from pi0_ros.policy.planner import Planner

PERIOD_S = 1.0


class PolicyReports:
    """Publishes once per second and at each change; logs reasons once per change.

    Args:
        node: Carries the publishers.
        planner: What is reported on.
        about: The robot's, the policy's and the checkpoint's names.
        received: Messages received by stream; read at each report.
    """

    def __init__(
        self,
        node: Node,
        planner: Planner,
        about: PolicyStatus,
        received: Mapping[str, int],
    ) -> None:
        """Make the publishers."""
        self._node = node
        self._planner = planner
        self._about = about
        self._received = received
        self._status = node.create_publisher(PolicyStatus, "~/status", qos.STATUS)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", qos.STATUS)
        self._timer = node.create_timer(PERIOD_S, self.publish, clock=STEADY)
        self.state = PolicyStatus.UNCONFIGURED
        self.reasons: tuple[str, ...] = ()

    def destroy(self) -> None:
        """Stop reporting."""
        dispose(self._node, [self._timer, self._status, self._diagnostics])

    @property
    def failure(self) -> str | None:
        """Why planning ended for good, None while it goes on."""
        return "; ".join(self.reasons) if self.state == PolicyStatus.FAILED else None

    def become(self, state: int, reasons: tuple[str, ...] = ()) -> None:
        """Report a change; the same again says nothing."""
        if (state, reasons) == (self.state, self.reasons):
            return
        self.state, self.reasons = state, reasons
        if reasons:
            self._node.get_logger().warning(f"no plan: {'; '.join(reasons)}")
        self.publish()

    def publish(self) -> None:
        """Publish status and diagnostics."""
        now_ns = int(self._node.get_clock().now().nanoseconds)
        message, latency = self._about, self._planner.latency
        message.header.stamp = to_time(now_ns)
        message.state, message.reasons = self.state, list(self.reasons)
        message.prompt, message.chunks = self._planner.prompt, self._planner.chunks
        message.latency = to_duration(latency.inference_ns)
        message.observation_age = to_duration(latency.observation_age_ns)
        self._status.publish(message)
        values = {f"{name} received": count for name, count in self._received.items()}
        name = self._node.get_fully_qualified_name()
        failed = self.failure is not None
        self._diagnostics.publish(diagnostics(now_ns, name, self.reasons, values, failed=failed))
