"""Reference samples to the messages of each controller type."""

from __future__ import annotations

from typing import Any, Protocol

from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from pi0_ros.bridge.stamps import to_duration, to_time
from pi0_ros.embodiment.spec import Controller, Embodiment
from pi0_ros.execution.horizon import CommandWindow


class CommandEncoder(Protocol):
    """Turns the committed window into one controller's message."""

    message_type: type[Any]

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return the message to publish at ``now_ns`` [ns]."""


class JointTrajectoryEncoder:
    """Rolling windows for joint_trajectory_controller.

    Stamped with their first sample, which is already past, so that Jazzy's controller samples
    inside the window and never from the measured state; positions only, 2 ms apart, which its
    linear interpolation plays as they are; the last point's velocity is left out, as its
    validation wants.
    """

    message_type = JointTrajectory

    def __init__(self, controller: Controller, embodiment: Embodiment) -> None:
        """Remember the controller's columns and prepare points, which only change positions."""
        self._message = JointTrajectory(joint_names=list(controller.joints))
        self._columns = [embodiment.index(name) for name in controller.joints]
        self._points: list[JointTrajectoryPoint] = []

    def encode(self, window: CommandWindow, now_ns: int) -> JointTrajectory:
        """Return the window from just before now to the end of the horizon.

        The message is reused: it is valid until the next call. (Making it anew takes ten times as
        long, a hundred times per second and controller.)
        """
        rows = window.positions[:, self._columns].tolist()
        for i in range(len(self._points), len(rows)):
            due = to_duration(i * window.period_ns)
            self._points.append(JointTrajectoryPoint(time_from_start=due))
        for point, row in zip(self._points, rows, strict=False):
            point.positions = row
        self._message.header.stamp = to_time(window.start_ns)
        self._message.points = self._points[: len(rows)]
        return self._message


class ForwardPositionEncoder:
    """The sample of this instant for forward_command_controller."""

    message_type = Float64MultiArray

    def __init__(self, controller: Controller, embodiment: Embodiment) -> None:
        """Remember the columns of the controller's joints."""
        self._columns = [embodiment.index(name) for name in controller.joints]

    def encode(self, window: CommandWindow, now_ns: int) -> Float64MultiArray:
        """Return the positions that are due now."""
        positions, _ = window.at(now_ns)
        return Float64MultiArray(data=positions[self._columns].tolist())


ENCODERS: dict[str, type[JointTrajectoryEncoder] | type[ForwardPositionEncoder]] = {
    "joint_trajectory": JointTrajectoryEncoder,
    "forward_position": ForwardPositionEncoder,
}


def make_encoder(controller: Controller, embodiment: Embodiment) -> CommandEncoder:
    """Return the encoder of a controller's type; the YAML allows no other."""
    return ENCODERS[controller.type](controller, embodiment)
