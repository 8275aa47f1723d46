"""What takes one command at a time: forward_command_controller, and plain drivers.

Source:
    ros2_controllers, branch jazzy: forward_command_controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pi0_ros.simulation.controllers import Rejected


@dataclass
class ForwardCommandController:
    """Passes the newest values on; no names, no stamp, no limits, no timeout."""

    name: str
    joints: tuple[str, ...]
    _values: np.ndarray | None = field(default=None, init=False)

    def receive(self, values: np.ndarray, now_ns: int) -> None:
        """Take one value per joint, (J,) [rad or m].

        Raises:
            Rejected: Another number of values, or one that is not finite.
        """
        if values.shape != (len(self.joints),):
            raise Rejected(f"command size {values.size} of {self.name} is not {len(self.joints)}")
        _reject_not_finite(values, self.name)
        self._values = values

    def sample(self, now_ns: int, measured: np.ndarray, last_command: np.ndarray) -> np.ndarray:
        """Return the newest values, (J,); the last command where there are none."""
        return last_command if self._values is None else self._values

    def hold(self) -> None:
        """Forget the values, as at a protective stop."""
        self._values = None


@dataclass
class NamedPositionsDriver:
    """A driver that is commanded by sensor_msgs/JointState: what is named moves, the rest holds."""

    name: str
    joints: tuple[str, ...]
    _values: dict[str, float] = field(default_factory=dict, init=False)

    def receive(self, values: Mapping[str, float], now_ns: int) -> None:
        """Take the positions of some joints by name [rad or m].

        Raises:
            Rejected: A joint that it does not have, or a position that is not finite.
        """
        unknown = [name for name in values if name not in self.joints]
        if unknown:
            raise Rejected(f"{self.name} has no joint {', '.join(unknown)}")
        _reject_not_finite(np.array(list(values.values())), self.name)
        self._values |= values

    def sample(self, now_ns: int, measured: np.ndarray, last_command: np.ndarray) -> np.ndarray:
        """Return the newest position of each joint, (J,); the last command where there is none."""
        pairs = zip(self.joints, last_command, strict=True)
        return np.array([self._values.get(name, last) for name, last in pairs])

    def hold(self) -> None:
        """Forget the positions, as at a protective stop."""
        self._values.clear()


@dataclass
class BaseDriver:
    """The driver of a mobile base: the newest velocity, zero when it hears nothing for a while.

    Attributes:
        name: The controller's name, for messages.
        timeout_ns: How long a velocity counts [ns].
    """

    name: str
    timeout_ns: int
    _newest: tuple[int, np.ndarray] | None = field(default=None, init=False)

    def receive(self, twist: np.ndarray, now_ns: int) -> None:
        """Take velocities forward, to the left [m/s] and yaw [rad/s], (3,).

        Raises:
            Rejected: One is not finite.
        """
        _reject_not_finite(twist, self.name)
        self._newest = (now_ns, twist)

    def at(self, now_ns: int) -> np.ndarray:
        """Return the velocity of one control cycle, (3,)."""
        if self._newest is None or now_ns - self._newest[0] > self.timeout_ns:
            return np.zeros(3)
        return self._newest[1]

    def hold(self) -> None:
        """Forget the velocity, as at a protective stop."""
        self._newest = None


def _reject_not_finite(values: np.ndarray, receiver: str) -> None:
    if not np.isfinite(values).all():
        raise Rejected(f"non-finite value received by {receiver}")
