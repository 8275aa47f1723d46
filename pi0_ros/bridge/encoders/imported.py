"""What encoders share whose messages only a distribution or a vendor has."""

from __future__ import annotations

from typing import Any, ClassVar

from pi0_ros.bridge.driver_numbers import DriverNumbers
from pi0_ros.bridge.message_packages import import_message
from pi0_ros.embodiment.controllers import Controller
from pi0_ros.embodiment.spec import Embodiment


class ImportedEncoder:
    """Imports its message when it is made.

    Args:
        controller: Of the type that the encoder is for.
        embodiment: The robot.

    Raises:
        ImportError: The message package is not there.
    """

    message_name: ClassVar[str]

    def __init__(self, controller: Controller, embodiment: Embodiment) -> None:
        """Import the message and find the controller's joints."""
        self.message_type: type[Any] = import_message(self.message_name, controller)
        self._controller: Any = controller
        self._numbers = DriverNumbers(controller, embodiment)
