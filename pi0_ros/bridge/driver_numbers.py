"""A driver's numbers for its joints: its order, and its units for a gripper."""

from __future__ import annotations

import numpy as np

from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.controllers import Spoken
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.horizon import CommandWindow


class DriverNumbers:
    """Positions of the joints on one topic, n of them, as the driver writes them.

    They are the joint's own [rad or m], except those of grippers where the YAML gives the driver's
    numbers for open and closed: between the two, and beyond, lies a straight line.

    Args:
        spoken: A controller or a source of states.
        embodiment: The robot.
    """

    def __init__(self, spoken: Spoken, embodiment: Embodiment) -> None:
        """Find the columns and the lines."""
        self._columns = [embodiment.index(name) for name in spoken.joints]
        self._scale = np.ones(len(self._columns))
        self._offset = np.zeros(len(self._columns))
        driver = spoken.gripper
        for i, column in enumerate(self._columns):
            axis = embodiment.axes[column]
            joint = axis.gripper if isinstance(axis, Joint) else None
            if driver is not None and joint is not None:
                self._scale[i] = (driver.closed - driver.open) / (joint.closed - joint.open)
                self._offset[i] = driver.open - joint.open * self._scale[i]

    def of(self, positions: np.ndarray) -> np.ndarray:
        """Pick the driver's joints from those of all axes, (..., A) -> (..., n)."""
        return np.asarray(positions[..., self._columns] * self._scale + self._offset)

    def due(self, window: CommandWindow, now_ns: int) -> list[float]:
        """Return what is due at an instant [ns, node clock], n numbers."""
        positions, _ = window.at(now_ns)
        return [float(number) for number in self.of(positions)]

    def to_joints(self, numbers: np.ndarray) -> np.ndarray:
        """Map the driver's numbers (n,) to positions (n,) [rad or m]."""
        return np.asarray((numbers - self._offset) / self._scale)
