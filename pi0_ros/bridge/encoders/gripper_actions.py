"""Goals of gripper actions: few of them, although the policy's number changes all the time."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import JointState

from pi0_ros.bridge.encoders.imported import ImportedEncoder
from pi0_ros.bridge.stamps import SECOND_NS
from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.controllers import GripperController
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.horizon import CommandWindow

# Shares of open to closed. What differs less than SAME is the same goal (no gripper resolves it);
# what moves less than STANDING between two calls stands, so that a slow creep floods nothing.
SAME = 1e-4
STANDING = 1e-6


class GoalFilter:
    """Lets through the positions that become goals.

    A position is a goal when it is a deadband away from the last goal, or when it differs from it
    and stands still: so the end of a movement always arrives. After a pause, in which somebody
    else may have moved the gripper, the first position is a goal, too.

    Args:
        deadband: In the unit of the positions.
        stroke: Open to closed, in the same unit.
        pause_ns: Not being asked for longer than this is a pause [ns].
    """

    def __init__(self, deadband: float, stroke: float, pause_ns: int) -> None:
        """Start without a goal."""
        self._deadband, self._stroke, self._pause_ns = deadband, stroke, pause_ns
        self._goal: float | None = None
        self._asked_ns = 0
        self._before = 0.0

    def passes(self, position: float, now_ns: int) -> bool:
        """Say whether a position at an instant [ns] becomes a goal, and remember it if so."""
        if not 0 <= now_ns - self._asked_ns <= self._pause_ns:  # below: the clock jumped back
            self._goal = None
        stands = abs(position - self._before) <= STANDING * self._stroke
        self._asked_ns, self._before = now_ns, position
        if self._goal is not None:
            change = abs(position - self._goal)
            if change < self._deadband and not (stands and change > SAME * self._stroke):
                return False
        self._goal = position
        return True


class GripperCommandEncoder(ImportedEncoder):
    """GripperCommand: a position and the greatest effort."""

    message_name = "control_msgs/action/GripperCommand"

    def __init__(self, controller: GripperController, embodiment: Embodiment) -> None:
        """Import the action and choose what becomes a goal."""
        super().__init__(controller, embodiment)
        self._column = embodiment.index(controller.joints[0])
        joint = embodiment.axes[self._column]
        assert isinstance(joint, Joint)  # the YAML lets no other pass
        assert joint.gripper is not None
        stroke = abs(joint.gripper.closed - joint.gripper.open)
        pause_ns = SECOND_NS + round(2 * SECOND_NS / controller.rate_hz)
        self._filter = GoalFilter(controller.deadband * stroke, stroke, pause_ns)

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return a goal, or None while the last one will do."""
        positions, _ = window.at(now_ns)
        if not self._filter.passes(float(positions[self._column]), now_ns):
            return None
        return self._goal(self._numbers.due(window, now_ns))

    def _goal(self, position: list[float]) -> Any:
        goal = self.message_type.Goal()
        (goal.command.position,) = position
        goal.command.max_effort = self._controller.max_effort
        return goal


class ParallelGripperCommandEncoder(GripperCommandEncoder):
    """ParallelGripperCommand: the same as a joint state."""

    message_name = "control_msgs/action/ParallelGripperCommand"

    def _goal(self, position: list[float]) -> Any:
        names, effort = list(self._controller.driver_names), [self._controller.max_effort]
        return self.message_type.Goal(
            command=JointState(name=names, position=position, effort=effort)
        )
