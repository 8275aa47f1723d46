"""Commands in the messages that every ROS 2 has: arrays, joint states, twists."""

from __future__ import annotations

from geometry_msgs.msg import Twist, TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from pi0_ros.bridge.driver_numbers import DriverNumbers
from pi0_ros.bridge.stamps import to_time
from pi0_ros.embodiment.axes import BaseAxis
from pi0_ros.embodiment.controllers import (
    ForwardController,
    JointStateController,
    TwistController,
)
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.horizon import CommandWindow


class ForwardPositionEncoder:
    """The sample of this instant for forward_command_controller."""

    message_type = Float64MultiArray

    def __init__(self, controller: ForwardController, embodiment: Embodiment) -> None:
        """Find the controller's joints."""
        self._numbers = DriverNumbers(controller, embodiment)

    def encode(self, window: CommandWindow, now_ns: int) -> Float64MultiArray:
        """Return the positions that are due now."""
        return Float64MultiArray(data=self._numbers.due(window, now_ns))


class JointStateEncoder:
    """The sample of this instant as a joint state, with constants for velocity and effort."""

    message_type = JointState

    def __init__(self, controller: JointStateController, embodiment: Embodiment) -> None:
        """Find the controller's joints."""
        self._numbers = DriverNumbers(controller, embodiment)
        self._names = list(controller.driver_names)
        self._velocity, self._effort = list(controller.velocity), list(controller.effort)

    def encode(self, window: CommandWindow, now_ns: int) -> JointState:
        """Return the positions that are due now, stamped now."""
        message = JointState(name=self._names, velocity=self._velocity, effort=self._effort)
        message.header.stamp = to_time(now_ns)
        message.position = self._numbers.due(window, now_ns)
        return message


class TwistEncoder:
    """The base's velocity of this instant, in its own frame."""

    message_type = Twist

    def __init__(self, controller: TwistController, embodiment: Embodiment) -> None:
        """Find the columns by direction."""
        axes = ((name, embodiment.axes[embodiment.index(name)]) for name in controller.joints)
        self._columns = {
            axis.direction: embodiment.index(name)
            for name, axis in axes
            if isinstance(axis, BaseAxis)
        }

    def encode(self, window: CommandWindow, now_ns: int) -> Twist:
        """Return the velocities that are due now; directions that the base lacks are zero."""
        _, velocities = window.at(now_ns)
        twist = Twist()
        for direction, column in self._columns.items():
            part, field = (twist.angular, "z") if direction == "yaw" else (twist.linear, direction)
            setattr(part, field, float(velocities[column]))
        return twist


class TwistStampedEncoder(TwistEncoder):
    """The same with a header: what ros2_controllers' bases take since Jazzy."""

    message_type = TwistStamped

    def __init__(self, controller: TwistController, embodiment: Embodiment) -> None:
        """Remember the frame."""
        super().__init__(controller, embodiment)
        self._frame = controller.frame

    def encode(self, window: CommandWindow, now_ns: int) -> TwistStamped:
        """Return the velocities that are due now, stamped now."""
        message = TwistStamped(twist=super().encode(window, now_ns))
        message.header.stamp, message.header.frame_id = to_time(now_ns), self._frame
        return message
