"""preview_node: what RViz shows of robot and plan. It commands nothing."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from pi0_msgs.msg import ActionChunk, ExecutorStatus
from sensor_msgs.msg import JointState
from visualization_msgs.msg import MarkerArray

from pi0_ros.bridge.chunks import decode_chunk
from pi0_ros.bridge.plan_markers import no_markers, plan_markers
from pi0_ros.bridge.stamps import to_ns, to_time
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.execution.preview import PlanPaths, RecentPlans
from pi0_ros.nodes import qos
from pi0_ros.nodes.clocks import STEADY
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.managed import ManagedNode, run
from pi0_ros.nodes.parameters import PreviewParameters, declare
from pi0_ros.nodes.state_streams import StateStreams

STATE_AGE_NS = 1_000_000_000  # a picture may be of states that are too old for control


class PreviewNode(ManagedNode):
    """Draws where the chunk leads that is played, and tells where the joints are.

    ``~/joint_states`` has the URDF's names and units, whatever the drivers have: what
    robot_state_publisher needs.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for configure."""
        super().__init__("preview_node", **options)
        self._settings = declare(self, PreviewParameters)
        self._streams: list[Any] = []

    def configure(self) -> None:
        """Load the robot and make all streams."""
        p = self._settings
        embodiment = load_embodiment(p.embodiment, tf_prefix=p.tf_prefix, simulation=p.simulation)
        self._joint_names = embodiment.joint_names
        self._paths = PlanPaths(embodiment, load_urdf(embodiment))
        self._plans = RecentPlans()
        self._positions: np.ndarray | None = None
        self._is_drawn = False
        self._markers = self.create_publisher(MarkerArray, "~/plan", qos.LATCHED)
        self._states = self.create_publisher(JointState, "~/joint_states", qos.STATUS)
        status = "chunk_executor_node/status"
        self._streams = [
            self._markers,
            self._states,
            self.create_subscription(ActionChunk, "action_chunk", self._on_chunk, qos.CHUNKS),
            self.create_subscription(ExecutorStatus, status, self._on_status, qos.STATUS),
            StateStreams(self, embodiment, STATE_AGE_NS, self._on_positions, lambda reason: None),
            self.create_timer(1 / p.rate_hz, self._draw, clock=STEADY),
        ]

    def cleanup(self) -> None:
        """Drop the streams."""
        dispose(self, self._streams)
        self._streams.clear()

    def _on_chunk(self, message: ActionChunk) -> None:
        try:
            self._plans.add(self._paths.checked(decode_chunk(message)))
        except ValueError as error:
            self.get_logger().warning(f"not drawn: {error}", throttle_duration_sec=5.0)

    def _on_status(self, message: ExecutorStatus) -> None:
        self._plans.report(to_ns(message.header.stamp), to_ns(message.chunk_age), message.step)

    def _on_positions(self, stamp_ns: int, positions: np.ndarray) -> None:
        self._positions = positions
        message = JointState(name=self._joint_names, position=positions.tolist())
        message.header.stamp = to_time(stamp_ns)
        self._states.publish(message)

    def _draw(self) -> None:
        """Draw the plan as it stands; take it away once it is over."""
        shown = self._plans.shown(int(self.get_clock().now().nanoseconds))
        if shown is not None and self._positions is not None:
            paths = self._paths.of(shown.chunk, shown.step, self._positions)
            frame = self._paths.frame
            markers = plan_markers(paths, frame, shown.at_ns, is_played=shown.is_played)
        elif self._is_drawn:
            markers = no_markers()
        else:
            return
        self._is_drawn = shown is not None
        self._markers.publish(markers)


def main() -> None:
    """Run the node."""
    sys.exit(run(PreviewNode))


if __name__ == "__main__":
    main()
