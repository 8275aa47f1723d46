"""What drivers tell about their joints, to positions."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from sensor_msgs.msg import JointState

from pi0_ros.bridge.driver_numbers import DriverNumbers
from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.message_packages import import_message
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.embodiment.controllers import StateSource
from pi0_ros.embodiment.spec import Embodiment


class StateDecoder(Protocol):
    """Turns the messages of one topic into positions; made by ``(source, embodiment)``.

    Attributes:
        message_type: The topic's.
    """

    message_type: type[Any]

    def decode(self, message: Any) -> tuple[int | None, np.ndarray]:
        """Return the stamp [ns] and the positions of the source's joints (n,) [rad or m].

        The stamp is None where such messages have none: then they count as of their arrival.

        Raises:
            ValueError: Joints are missing; the message names the topic and the joints.
        """


class JointStateDecoder:
    """sensor_msgs/JointState, joints by name; further joints do no harm."""

    message_type = JointState

    def __init__(self, source: StateSource, embodiment: Embodiment) -> None:
        """Remember what the driver calls the joints."""
        self._numbers = DriverNumbers(source, embodiment)
        self._source = source

    def decode(self, message: JointState) -> tuple[int, np.ndarray]:
        """Return stamp and positions."""
        told = positions_by_name(message)
        missing = [name for name in self._source.driver_names if name not in told]
        if missing:
            raise ValueError(f"{self._source.topic} lacks {', '.join(missing)}")
        numbers = np.array([told[name] for name in self._source.driver_names])
        return to_ns(message.header.stamp), self._numbers.to_joints(numbers)


class ArxStatusDecoder:
    """ARX's RobotStatus: six joints and the gripper, by place."""

    def __init__(self, source: StateSource, embodiment: Embodiment) -> None:
        """Import the message."""
        self.message_type: type[Any] = import_message("arx5_arm_msg/msg/RobotStatus", source)
        self._numbers = DriverNumbers(source, embodiment)
        self._source = source

    def decode(self, message: Any) -> tuple[int, np.ndarray]:
        """Return stamp and positions."""
        numbers, joints = np.array(message.joint_pos), self._source.driver_names
        if len(numbers) < len(joints):
            raise ValueError(f"{self._source.topic} lacks {', '.join(joints[len(numbers) :])}")
        return to_ns(message.header.stamp), self._numbers.to_joints(numbers[: len(joints)])


class ArxLiftDecoder:
    """The height in ARX's PosCmd, which has no stamp."""

    def __init__(self, source: StateSource, embodiment: Embodiment) -> None:
        """Import the message."""
        self.message_type: type[Any] = import_message("arm_control/msg/PosCmd", source)
        self._numbers = DriverNumbers(source, embodiment)

    def decode(self, message: Any) -> tuple[None, np.ndarray]:
        """Return the height [m]."""
        return None, self._numbers.to_joints(np.array([message.height]))


DECODERS: dict[str, Any] = {
    "joint_state": JointStateDecoder,
    "arx_robot_status": ArxStatusDecoder,
    "arx_lift_status": ArxLiftDecoder,
}


def make_decoder(source: StateSource, embodiment: Embodiment) -> StateDecoder:
    """Return the decoder of a source's type; the YAML allows no other.

    Raises:
        ImportError: Its message package is not there.
    """
    return DECODERS[source.type](source, embodiment)  # type: ignore[no-any-return]
