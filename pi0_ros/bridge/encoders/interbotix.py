"""Commands to Interbotix arms, as xs_sdk takes them."""

from __future__ import annotations

from typing import Any

from pi0_ros.bridge.encoders.imported import ImportedEncoder
from pi0_ros.execution.horizon import CommandWindow


class JointGroupEncoder(ImportedEncoder):
    """One number per joint of a group, in the order of the driver's motor_config."""

    message_name = "interbotix_xs_msgs/msg/JointGroupCommand"

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return the positions that are due now."""
        due = self._numbers.due(window, now_ns)
        return self.message_type(name=self._controller.group, cmd=due)


class JointSingleEncoder(ImportedEncoder):
    """One joint by its name."""

    message_name = "interbotix_xs_msgs/msg/JointSingleCommand"

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return the position that is due now."""
        (due,) = self._numbers.due(window, now_ns)
        return self.message_type(name=self._controller.driver_names[0], cmd=due)
