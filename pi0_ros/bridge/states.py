"""What drivers tell about their joints, to positions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState

from pi0_ros.bridge.driver_numbers import DriverNumbers
from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.message_packages import import_message
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.embodiment.controllers import StateSource
from pi0_ros.embodiment.spec import Embodiment


class StateDecoder(ABC):
    """Reads the messages of one topic; a kind of message is a class.

    Args:
        source: The topic, its joints and what the driver calls them.
        embodiment: The robot.

    Attributes:
        message_type: The topic's.

    Raises:
        ImportError: The message package is not there.
    """

    message_type: type[Any]

    def __init__(self, source: StateSource, embodiment: Embodiment) -> None:
        """Find the joints' units."""
        self._source = source
        self._numbers = DriverNumbers(source, embodiment)

    @abstractmethod
    def told(self, message: Any) -> dict[str, float]:
        """Return what the message tells, in the driver's names and numbers; may be incomplete."""

    def decode(self, message: Any) -> tuple[int | None, np.ndarray]:
        """Return the stamp [ns] and the positions of the source's joints (n,) [rad or m].

        The stamp is None where such messages have none: then they count as of their arrival.

        Raises:
            ValueError: Joints are missing; the message names the topic and the joints.
        """
        told, names = self.told(message), self._source.driver_names
        missing = [name for name in names if name not in told]
        if missing:
            raise ValueError(f"{self._source.topic} lacks {', '.join(missing)}")
        header = getattr(message, "header", None)
        stamp_ns = None if header is None else to_ns(header.stamp)
        return stamp_ns, self._numbers.to_joints(np.array([told[name] for name in names]))


class JointStateDecoder(StateDecoder):
    """sensor_msgs/JointState, joints by name; further joints do no harm."""

    message_type = JointState

    def told(self, message: JointState) -> dict[str, float]:
        """Return all positions by name."""
        return positions_by_name(message)


class ArxStatusDecoder(StateDecoder):
    """ARX's RobotStatus: six joints and the gripper, by place."""

    def __init__(self, source: StateSource, embodiment: Embodiment) -> None:
        """Import the message."""
        self.message_type = import_message("arx5_arm_msg/msg/RobotStatus", source)
        super().__init__(source, embodiment)

    def told(self, message: Any) -> dict[str, float]:
        """Give the first places to the source's joints."""
        return dict(zip(self._source.driver_names, map(float, message.joint_pos), strict=False))


class ArxLiftDecoder(StateDecoder):
    """The height in ARX's PosCmd, which has no stamp."""

    def __init__(self, source: StateSource, embodiment: Embodiment) -> None:
        """Import the message."""
        self.message_type = import_message("arm_control/msg/PosCmd", source)
        super().__init__(source, embodiment)

    def told(self, message: Any) -> dict[str, float]:
        """Return the height [m] under the joint's name."""
        return {self._source.driver_names[0]: float(message.height)}


DECODERS: dict[str, type[StateDecoder]] = {
    "joint_state": JointStateDecoder,
    "arx_robot_status": ArxStatusDecoder,
    "arx_lift_status": ArxLiftDecoder,
}


def make_decoder(source: StateSource, embodiment: Embodiment) -> StateDecoder:
    """Return the decoder of a source's type; the YAML allows no other.

    Raises:
        ImportError: Its message package is not there.
    """
    return DECODERS[source.type](source, embodiment)
