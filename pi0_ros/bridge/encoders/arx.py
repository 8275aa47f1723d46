"""Commands to ARX arms and lifts, as the vendor's controllers take them.

Fields that are not named here stay zero: the arm does not look at its end pose in the modes for
joints, and the lift's message also moves the wheels of ARX's own base, which then stand.
"""

from __future__ import annotations

from typing import Any

from pi0_ros.bridge.encoders.imported import ImportedEncoder
from pi0_ros.bridge.stamps import to_time
from pi0_ros.execution.horizon import CommandWindow


class RobotCmdEncoder(ImportedEncoder):
    """Six joints, and a gripper with a field of its own."""

    message_name = "arx5_arm_msg/msg/RobotCmd"

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return the positions that are due now, stamped now."""
        *joints, gripper = self._numbers.due(window, now_ns)
        mode = self._controller.mode
        message = self.message_type(joint_pos=joints, gripper=gripper, mode=mode)
        message.header.stamp = to_time(now_ns)
        return message


class JointControlEncoder(ImportedEncoder):
    """Eight places: six joints, the gripper, and one that no arm of theirs has."""

    message_name = "arm_control/msg/JointControl"

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return the positions that are due now."""
        places = [*self._numbers.due(window, now_ns), 0.0]
        return self.message_type(joint_pos=places, mode=self._controller.mode)


class LiftEncoder(ImportedEncoder):
    """The height of the lift."""

    message_name = "arm_control/msg/PosCmd"

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return the height that is due now [m]."""
        (due,) = self._numbers.due(window, now_ns)
        return self.message_type(height=due)
