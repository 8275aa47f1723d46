"""What the simulated robot tells: joint states, commands, odometry, blocks and the clock."""

from __future__ import annotations

from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from visualization_msgs.msg import MarkerArray

from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.bridge.markers import block_markers
from pi0_ros.bridge.odometry import odometry, odometry_transform
from pi0_ros.bridge.stamps import to_time
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.parameters import SimParameters
from pi0_ros.simulation.cell import Cell, Sensed
from pi0_ros.simulation.scene import scene_frame

MARKER_RATE_HZ = 10.0


class SensedStreams:
    """Publishes what the cell senses, each stream at its rate.

    Args:
        node: Publishes.
        cell: The robot.
        parameters: Rates, and whether the clock is driven.
    """

    def __init__(self, node: Node, cell: Cell, parameters: SimParameters) -> None:
        """Make the publishers."""
        embodiment = cell.robot.embodiment
        self._node = node
        self._names = cell.robot.movable
        self._commanded = embodiment.joint_names
        self._base = embodiment.base
        self._frame = scene_frame(embodiment)
        cycle_hz = embodiment.command.rate_hz
        self._every_state = max(1, round(cycle_hz / parameters.joint_state_rate_hz))
        self._every_marker = max(1, round(cycle_hz / MARKER_RATE_HZ))
        self._cycle = 0
        self._clock = (
            node.create_publisher(Clock, "/clock", 10) if parameters.publish_clock else None
        )
        self._states = node.create_publisher(JointState, "joint_states", qos.STATUS)
        self._commands = node.create_publisher(JointState, "~/controller_state", qos.EVERY_CYCLE)
        self._markers = node.create_publisher(MarkerArray, "~/blocks", qos.LATCHED)
        self._odometry: Any = None
        self._transforms: Any = None
        if self._base is not None:
            self._odometry = node.create_publisher(Odometry, self._base.odometry, qos.STATUS)
            self._transforms = self._transform_publisher()

    def publish(self, sensed: Sensed) -> None:
        """Publish what is due after one control cycle."""
        now_ns = sensed.now_ns
        if self._clock is not None:
            self._clock.publish(Clock(clock=to_time(now_ns)))
        if self._commands.get_subscription_count():
            still = np.zeros(0)
            self._commands.publish(joint_state(self._commanded, now_ns, sensed.command, still))
        if self._cycle % self._every_state == 0:
            self._states.publish(joint_state(self._names, now_ns, *sensed.joint_state))
            self._publish_odometry(sensed)
        if self._cycle % self._every_marker == 0:
            self.publish_blocks(sensed)
        self._cycle += 1

    def publish_blocks(self, sensed: Sensed) -> None:
        """Show where the blocks are."""
        self._markers.publish(block_markers(sensed.blocks, self._frame, sensed.now_ns))

    def close(self) -> None:
        """Drop the publishers."""
        always = [self._states, self._commands, self._markers]
        made = (self._clock, self._odometry, self._transforms)
        dispose(self._node, always + [publisher for publisher in made if publisher is not None])

    def _publish_odometry(self, sensed: Sensed) -> None:
        if self._base is None or sensed.base is None:
            return
        message = odometry(self._base, sensed.now_ns, *sensed.base)
        self._odometry.publish(message)
        if self._transforms is not None:
            self._transforms.publish(odometry_transform(message))

    def _transform_publisher(self) -> Any:
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            self._node.get_logger().info(
                "tf2_msgs is not installed: the base's pose is on its odometry topic only, not on "
                "/tf; a ROS 2 distribution has it"
            )
            return None
        return self._node.create_publisher(TFMessage, "/tf", qos.STATUS)
