"""The simulated robot's speed slider: a parameter that is set while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Float64

from pi0_ros.embodiment.controllers import slider_topics
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose

NAME = "speed_slider"
PERIOD_S = 0.1  # between two messages while nothing changes; a change is told at once


class SimSlider:
    """Lets the robot play at the slider's speed, and tells it as the real drivers do.

    Args:
        node: Has the parameter, and publishes on the topics of the robot's YAML.
        embodiment: The robot.
        on_change: Gets the share of the full speed, from 0 to 1.
    """

    def __init__(self, node: Node, embodiment: Embodiment,
                 on_change: Callable[[float], None]) -> None:  # fmt: skip
        """Declare the parameter once, and begin to publish."""
        self._node, self._on_change = node, on_change
        if not node.has_parameter(NAME):
            said = "share of the full speed at which the robot moves, as its slider sets it"
            full = FloatingPointRange(from_value=0.0, to_value=1.0)
            descriptor = ParameterDescriptor(description=said, floating_point_range=[full])
            node.declare_parameter(NAME, 1.0, descriptor)
        self._full = slider_topics(embodiment.controllers)
        self._publishers = {
            topic: node.create_publisher(Float64, topic, qos.STATUS) for topic in self._full
        }
        self._timer = node.create_timer(
            PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        node.add_on_set_parameters_callback(self._on_set)
        self._share = float(node.get_parameter(NAME).value)
        on_change(self._share)

    def destroy(self) -> None:
        """Leave the slider where it is."""
        self._node.remove_on_set_parameters_callback(self._on_set)
        dispose(self._node, [self._timer, *self._publishers.values()])

    def _on_set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == NAME:
                share = float(parameter.value)
                if not math.isfinite(share):
                    return SetParametersResult(successful=False, reason=f"{NAME} is {share}")
                self._share = share
                self._on_change(share)
                self._publish()
        return SetParametersResult(successful=True)

    def _publish(self) -> None:
        for topic, publisher in self._publishers.items():
            publisher.publish(Float64(data=self._share * self._full[topic]))
