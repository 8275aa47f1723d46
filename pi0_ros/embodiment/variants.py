"""The same robot in other surroundings: in simulation, or with a prefix before its names."""

from __future__ import annotations

import re
from typing import Any

from pi0_ros.embodiment.axes import Base, Joint
from pi0_ros.embodiment.controllers import (
    Controller,
    ForwardController,
    JointTrajectoryController,
    StateSource,
    TwistController,
)
from pi0_ros.embodiment.files import EmbodimentError
from pi0_ros.embodiment.spec import Arm, Camera, Embodiment

# What the simulated robot understands as it stands; the rest needs message packages or drivers
# that only a distribution has.
PREFIX = r"[A-Za-z][A-Za-z0-9_/]*"
SIMULATED = ("joint_trajectory", "forward_position", "joint_state", "twist", "twist_stamped")


def simulated(embodiment: Embodiment) -> Embodiment:
    """Return the robot as the simulation speaks it.

    Controllers that need a vendor's messages or an action become forward_position on
    ``<name>/commands`` in the joint's own units, those of trajectories joint_trajectory on
    ``<name>/joint_trajectory``, and all joints are on ``joint_states``.
    """
    controllers = tuple(_forward(controller) for controller in embodiment.controllers)
    return _changed(embodiment, controllers=controllers, states=())


def prefixed(embodiment: Embodiment, tf_prefix: str) -> Embodiment:
    """Return the robot with a prefix before its joints, links and frames, as its URDF has them.

    Raises:
        EmbodimentError: The prefix cannot begin a name.
    """
    if not tf_prefix:
        return embodiment
    if not re.fullmatch(PREFIX, tf_prefix):
        raise EmbodimentError(
            f"tf_prefix '{tf_prefix}' must be a letter and then letters, digits, _ and /, such as "
            "left_"
        )

    def named(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(tf_prefix + name for name in names)

    def joint(one: Joint) -> Joint:
        return one.model_copy(update={"name": tf_prefix + one.name})

    def camera(one: Camera) -> Camera:
        return one.model_copy(update={"frame": tf_prefix + one.frame})

    def arm(one: Arm) -> Arm:
        return Arm(tool_link=tf_prefix + one.tool_link, joints=named(one.joints))

    def spoken(one: Controller | StateSource) -> Controller | StateSource:
        frame = {"frame": tf_prefix + one.frame} if isinstance(one, TwistController) else {}
        return one.model_copy(update={"joints": named(one.joints), **frame})

    return _changed(
        embodiment,
        urdf_arguments={**embodiment.urdf_arguments, "tf_prefix": tf_prefix},
        joints=tuple(map(joint, embodiment.joints)),
        arms={name: arm(one) for name, one in embodiment.arms.items()},
        base=embodiment.base and _prefixed_base(embodiment.base, tf_prefix),
        cameras=tuple(map(camera, embodiment.cameras)),
        controllers=tuple(map(spoken, embodiment.controllers)),
        states=tuple(map(spoken, embodiment.states)),
    )


def _changed(embodiment: Embodiment, **changes: Any) -> Embodiment:
    """Return a checked copy; ``model_copy`` would keep what was derived from the old values."""
    return Embodiment(
        **{name: getattr(embodiment, name) for name in Embodiment.model_fields} | changes
    )


def _prefixed_base(base: Base, tf_prefix: str) -> Base:
    axes = tuple(axis.model_copy(update={"name": tf_prefix + axis.name}) for axis in base.axes)
    return base.model_copy(update={"frame": tf_prefix + base.frame, "axes": axes})


def _forward(controller: Controller) -> Controller:
    if controller.type in SIMULATED:
        return controller
    if isinstance(controller, JointTrajectoryController):  # the action, as the topic beside it
        topic = f"{controller.name}/joint_trajectory"
        return controller.model_copy(update={"type": "joint_trajectory", "topic": topic})
    return ForwardController(
        name=controller.name,
        type="forward_position",
        topic=f"{controller.name}/commands",
        rate_hz=controller.rate_hz,
        joints=controller.joints,
    )
