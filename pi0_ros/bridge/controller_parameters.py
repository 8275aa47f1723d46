"""What a joint_trajectory_controller's parameters mean for the windows that it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pi0_ros.embodiment.controllers import JointTrajectoryController

SPLICES = "allow_trajectory_replacement"
SCALES = (  # who names a state interface here runs its trajectories by the robot's slider
    "speed_scaling.state_interface",  # joint_trajectory_controller since 4.39
    "speed_scaling_interface_name",  # UR's scaled_joint_trajectory_controller
)
NAMES = (
    "joints",
    "allow_partial_joints_goal",
    "interpolate_from_desired_state",
    "open_loop_control",
    "interpolation_method",
    "positions_upsampling.enable",
    "cmd_timeout",
    SPLICES,
    *SCALES,
)
# Of rcl_interfaces/ParameterValue by its type; 0: the controller has no such parameter.
FIELDS = {
    1: "bool_value",
    2: "integer_value",
    3: "double_value",
    4: "string_value",
    9: "string_array_value",
}


@dataclass(frozen=True)
class Fault:
    """What does not fit, and how to mend it.

    Attributes:
        said: What is so, and what it does to our windows.
        remedy: What to change.
        is_refused: Whether the controller takes no window at all.
    """

    said: str
    remedy: str
    is_refused: bool = False


def known(listed: Iterable[str]) -> list[str]:
    """Return those that matter of a controller's parameters."""
    return [name for name in NAMES if name in set(listed)]


def given(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return what a controller has of the parameters asked for.

    Args:
        names: Of the parameters.
        values: rcl_interfaces/ParameterValue, one each.
    """
    return {
        name: getattr(value, FIELDS[value.type])
        for name, value in zip(names, values, strict=False)
        if value.type in FIELDS
    }


def splices(parameters: Mapping[str, Any]) -> bool:
    """Say whether the controller joins trajectories by their stamp."""
    return bool(parameters.get(SPLICES, False))


def misfits(
    controller: JointTrajectoryController, parameters: Mapping[str, Any]
) -> tuple[Fault, ...]:
    """Return what does not fit our windows.

    Args:
        controller: As in the robot's YAML.
        parameters: Of the controller, by name; may lack any.
    """
    found = [*_wrong_joints(controller, parameters), *_wrong_speed(controller, parameters)]
    node = controller_node(controller)
    if splices(parameters):
        found.append(Fault(
            f"{SPLICES} is true: each window is joined one control cycle late",
            f"`ros2 param set {node} {SPLICES} false`: our windows agree where they overlap",
        ))  # fmt: skip
    if parameters.get("positions_upsampling.enable"):
        found.append(Fault(
            "positions_upsampling.enable is true: each window would be played from rest to rest",
            "leave positions_upsampling.enable out of the controller's configuration",
        ))  # fmt: skip
    if parameters.get("interpolation_method") == "none":
        found.append(Fault(
            "interpolation_method is none: samples are stepped to",
            "leave interpolation_method out of the controller's configuration",
        ))  # fmt: skip
    return tuple(found)


def described(parameters: Mapping[str, Any]) -> str:
    """Name, for people, what decides how windows are played."""
    shown = [name for name in NAMES if name != "joints" and name in parameters]
    said = (f"{name} {str(parameters[name]).lower() or 'none'}" for name in shown)
    return ", ".join(said) or "no parameter that matters"


def controller_node(controller: JointTrajectoryController) -> str:
    """Return the name of the controller's node: what its topic, or action, is below of."""
    return controller.topic.rpartition("/")[0] or controller.name


def _wrong_joints(
    controller: JointTrajectoryController, parameters: Mapping[str, Any]
) -> list[Fault]:
    """Compare names; their order is free."""
    theirs, ours = parameters.get("joints"), set(controller.driver_names)
    if theirs is None or set(theirs) == ours:
        return []
    unknown, left = sorted(ours - set(theirs)), sorted(set(theirs) - ours)
    if not unknown and parameters.get("allow_partial_joints_goal"):
        return []
    parts = [f"does not have {', '.join(unknown)}"] if unknown else []
    parts += [f"also has {', '.join(left)}, and takes no partial goals"] if left else []
    remedy = "correct joints or names of the controller in the YAML, or the controller's joints"
    said = f"it {' and '.join(parts)}: it refuses every window"
    return [Fault(said, remedy, is_refused=True)]


def _wrong_speed(
    controller: JointTrajectoryController, parameters: Mapping[str, Any]
) -> list[Fault]:
    named = [name for name in SCALES if parameters.get(name)]
    if named and not controller.scaled:
        said = f"its time runs by the robot's slider ({named[0]}), which the YAML does not say"
        return [Fault(said, "give the controller `scaled: true` and `speed_scaling` in the YAML")]
    if controller.scaled and not named and any(name in parameters for name in SCALES):
        said = "the YAML says that its time runs by the robot's slider, and it names no interface"
        return [
            Fault(said, "leave `scaled` out in the YAML, or configure the controller's interface")
        ]
    return []
