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
from pi0_ros.observation.observation import Lack, NotReady
from pi0_ros.policy.planner import Planner

PERIOD_S = 1.0


class PolicyReports:
    """Publishes once per second and at each change, and logs each change.

    A reason whose numbers alone are new is no change; what is published is the newest all the same.

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
        self._lacks: tuple[Lack, ...] = ()
        self._noted: set[str] = set()

    def destroy(self) -> None:
        """Stop reporting."""
        dispose(self._node, [self._timer, self._status, self._diagnostics])

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why there is no plan, as it was last; empty while there is one."""
        return tuple(lack.sentence for lack in self._lacks)

    @property
    def failure(self) -> str | None:
        """Why planning ended for good, None while it goes on."""
        return "; ".join(self.reasons) if self.state == PolicyStatus.FAILED else None

    def become(self, state: int, lacks: tuple[Lack, ...] = ()) -> None:
        """Report a change; the same streams with the same troubles are none."""
        before, self._lacks = {lack.identity for lack in self._lacks}, lacks
        if (state, {lack.identity for lack in lacks}) == (self.state, before):
            return
        was_waiting, self.state = self.state == PolicyStatus.WAITING, state
        if lacks:
            self._node.get_logger().warning(f"no plan: {'; '.join(self.reasons)}")
        elif was_waiting and state == PolicyStatus.PLANNING:
            of_policy = all(stream == "policy" for stream, _ in before)
            said = "planning again" if of_policy else "observations are complete again"
            self._node.get_logger().info(said)
        self.publish()

    def hang(self, sentence: str | None) -> None:
        """Say that planning does not come back; its next plan, or the lack of one, ends that."""
        if sentence is not None:
            self.become(PolicyStatus.WAITING, NotReady.because(sentence, "hung").reasons)

    def note(self, notes: tuple[str, ...]) -> None:
        """Log what was decided for a plan, each ``code: detail``, once per change of the codes."""
        codes = {note.partition(":")[0] for note in notes}
        if codes != self._noted:
            self._noted = codes
            self._node.get_logger().info(f"plans: {'; '.join(notes) or 'nothing to note any more'}")

    def publish(self) -> None:
        """Publish status and diagnostics."""
        now_ns = int(self._node.get_clock().now().nanoseconds)
        message, latency = self._about, self._planner.latency
        message.header.stamp = to_time(now_ns)
        message.state, message.reasons = self.state, list(self.reasons)
        message.prompt, message.chunks = self._planner.prompt, self._planner.chunks
        message.latency = to_duration(latency.inference_ns)
        message.observation_age = to_duration(latency.observation_age_ns)
        message.replan, message.notes = self._planner.replan, list(self._planner.notes)
        message.forecast = to_duration(self._planner.forecast_ns)
        self._status.publish(message)
        values = {f"{name} received": count for name, count in self._received.items()}
        name = self._node.get_fully_qualified_name()
        failed = self.failure is not None
        self._diagnostics.publish(diagnostics(now_ns, name, self.reasons, values, failed=failed))
