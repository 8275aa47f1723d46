"""What controllers receive, as the simulation reads it: by the joints, in their units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from pi0_ros.bridge.driver_numbers import DriverNumbers
from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.trajectories import decode_trajectory
from pi0_ros.embodiment.controllers import Controller
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.controllers import Rejected, Trajectory

MESSAGES: dict[str, type[Any]] = {
    "joint_trajectory": JointTrajectory,
    "forward_position": Float64MultiArray,
    "joint_state": JointState,
    "twist": Twist,
    "twist_stamped": TwistStamped,
}


class CommandDecoder:
    """Reads the messages of one controller of the simulated robot; names are the driver's.

    Args:
        controller: Of a type that the simulation takes.
        embodiment: The robot.

    Attributes:
        message_type: What it reads.
    """

    def __init__(self, controller: Controller, embodiment: Embodiment) -> None:
        """Find the joints' units."""
        self.message_type = MESSAGES[controller.type]
        self._names = controller.driver_names
        self._numbers = DriverNumbers(controller, embodiment)
        readers: dict[type[Any], Callable[[Any], Any]] = {
            JointTrajectory: self._trajectory,
            Float64MultiArray: self._array,
            JointState: self._joint_state,
            Twist: _velocities,
            TwistStamped: lambda message: _velocities(message.twist),
        }
        self.decode = readers[self.message_type]

    def _trajectory(self, message: JointTrajectory) -> Trajectory:
        value = decode_trajectory(message)
        if not set(value.names) <= set(self._names):
            return value  # the controller says what is wrong with it
        places = [self._names.index(name) for name in value.names]

        def in_units(numbers: np.ndarray) -> np.ndarray:
            rows = np.zeros((len(numbers), len(self._names)))
            rows[:, places] = numbers
            return self._numbers.to_joints(rows)[:, places]

        def rates(numbers: np.ndarray | None) -> np.ndarray | None:
            return None if numbers is None else in_units(numbers) - in_units(0 * numbers)

        return replace(
            value,
            positions=in_units(value.positions),
            velocities=rates(value.velocities),
            accelerations=rates(value.accelerations),
        )

    def _array(self, message: Float64MultiArray) -> np.ndarray:
        values = np.array(message.data)
        fits = values.shape == (len(self._names),)
        return self._numbers.to_joints(values) if fits else values

    def _joint_state(self, message: JointState) -> dict[str, float]:
        if len(message.position) != len(message.name):
            raise Rejected(f"{len(message.name)} names and {len(message.position)} positions")
        given = positions_by_name(message)
        known = [name for name in self._names if name in given]
        numbers = np.array([given.get(name, 0.0) for name in self._names])
        values = dict(zip(self._names, self._numbers.to_joints(numbers).tolist(), strict=True))
        return given | {name: values[name] for name in known}


def _velocities(twist: Twist) -> np.ndarray:
    """Return forward, left and yaw, (3,)."""
    return np.array([twist.linear.x, twist.linear.y, twist.angular.z])
