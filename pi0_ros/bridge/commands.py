"""Reference samples to the messages of each controller type."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from pi0_ros.bridge.encoders.arx import JointControlEncoder, LiftEncoder, RobotCmdEncoder
from pi0_ros.bridge.encoders.gripper_actions import (
    GripperCommandEncoder,
    ParallelGripperCommandEncoder,
)
from pi0_ros.bridge.encoders.interbotix import JointGroupEncoder, JointSingleEncoder
from pi0_ros.bridge.encoders.standard import (
    ForwardPositionEncoder,
    JointStateEncoder,
    TwistEncoder,
    TwistStampedEncoder,
)
from pi0_ros.bridge.encoders.trajectories import (
    FollowJointTrajectoryEncoder,
    JointTrajectoryEncoder,
)
from pi0_ros.bridge.message_packages import described
from pi0_ros.embodiment.controllers import OUTPUTS, Controller
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.horizon import CommandWindow


@runtime_checkable
class CommandEncoder(Protocol):
    """Turns the committed window into one controller's message.

    Made by ``(controller, embodiment)``.

    Attributes:
        message_type: The topic's, or an action's (it has a ``Goal``, and messages are goals).
    """

    message_type: type[Any]

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return what to send at an instant [ns, node clock], None where there is nothing new."""


# The messages of vendors are imported when an encoder is made, not before.
ENCODERS: dict[str, Any] = {
    "joint_trajectory": JointTrajectoryEncoder,
    "follow_joint_trajectory": FollowJointTrajectoryEncoder,
    "forward_position": ForwardPositionEncoder,
    "joint_state": JointStateEncoder,
    "twist": TwistEncoder,
    "twist_stamped": TwistStampedEncoder,
    "gripper_command": GripperCommandEncoder,
    "parallel_gripper_command": ParallelGripperCommandEncoder,
    "interbotix_group": JointGroupEncoder,
    "interbotix_single": JointSingleEncoder,
    "arx_robot_cmd": RobotCmdEncoder,
    "arx_joint_control": JointControlEncoder,
    "arx_lift": LiftEncoder,
}


def make_encoder(controller: Controller, embodiment: Embodiment) -> CommandEncoder:
    """Return the encoder of a controller's type, ours or another package's.

    Raises:
        ImportError: A message package, or the package that brings the type, cannot be imported.
        ValueError: The controller does not fit its type.
    """
    if controller.type in ENCODERS:
        return ENCODERS[controller.type](controller, embodiment)  # type: ignore[no-any-return]
    return _plugin(controller, embodiment)


def _plugin(controller: Controller, embodiment: Embodiment) -> CommandEncoder:
    who = described(controller)
    points = {point.value: point for point in entry_points(group=OUTPUTS, name=controller.type)}
    if len(points) != 1:
        raise ImportError(
            f"{who}: the entry point {OUTPUTS} of this name leads to {len(points)} places "
            f"({', '.join(sorted(points)) or 'none'}); install one package that brings it"
        )
    (value, point), *_ = points.items()
    try:
        kind = point.load()
    except Exception as error:  # another's module may raise anything
        raise ImportError(f"{who}: {value} cannot be imported: {error}") from error
    encoder = kind(controller, embodiment)
    if not isinstance(encoder, CommandEncoder):
        raise ValueError(
            f"{who}: {value} is no output; it needs the attribute message_type and the method "
            "encode(window, now_ns)"
        )
    return encoder
