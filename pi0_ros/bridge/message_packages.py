"""Message packages that only a distribution or a vendor's workspace has."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pi0_ros.embodiment.controllers import Spoken

SOURCES = {
    "control_msgs": "install ros-$ROS_DISTRO-control-msgs",
    "interbotix_xs_msgs": "source the workspace of Interbotix (interbotix_ros_core)",
    "arx5_arm_msg": "source the workspace of ARX (ARX_X5, ROS2/X5_ws)",
    "arm_control": "source the workspace of ARX (ARX_X5, ROS2/X5_ws, or LIFT, body/ROS2)",
}


def import_message(name: str, spoken: Spoken) -> type[Any]:
    """Import a message or an action once a robot needs it.

    Args:
        name: As ROS writes it: ``control_msgs/action/GripperCommand``.
        spoken: The controller or source of states that needs it.

    Raises:
        ImportError: The package is not there, or lacks the type; the message says what to do.
    """
    package, kind, type_name = name.split("/")
    try:
        found: type[Any] = getattr(import_module(f"{package}.{kind}"), type_name)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"{described(spoken)} needs {name}: {error}. The message package {package} does not "
            f"come with pi0_ros: {SOURCES[package]}; or use simulation:=true, which does without"
        ) from error
    return found


def described(spoken: Spoken) -> str:
    """Name a controller or a source of states for an error."""
    name = getattr(spoken, "name", None)
    who = f"controller '{name}'" if name else f"states of '{spoken.topic}'"
    return f"{who} of type {getattr(spoken, 'type', None)}"
