"""Read the YAML of a robot or convention, and a robot's URDF."""

from __future__ import annotations

from typing import Literal

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.files import (
    EmbodimentError,
    find_convention,
    find_embodiment,
    find_urdf,
)
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.urdf import expand
from pi0_ros.embodiment.variants import prefixed, simulated
from pi0_ros.embodiment.vector import vector_widths
from pi0_ros.embodiment.yaml_file import read_spec


def load_embodiment(
    name_or_path: str, *, tf_prefix: str = "", simulation: bool = False
) -> Embodiment:
    """Read a robot's YAML.

    Args:
        name_or_path: ``ur5e_bimanual``, or the path of a YAML file of one's own.
        tf_prefix: Put before all names of joints, links and frames.
        simulation: Return the robot as the simulation speaks it, instead of its real drivers.

    Raises:
        EmbodimentError: The name is unknown or the file does not describe a robot.
    """
    path = find_embodiment(name_or_path)
    described = read_spec(path, Embodiment, "a robot")
    try:
        urdf = str(find_urdf(described.urdf, path))
        if described.openpi is not None and described.openpi.convention is not None:
            find_convention(described.openpi.convention)
    except EmbodimentError as error:
        raise EmbodimentError(f"{path} names a file that does not exist: {error}") from error
    robot = prefixed(described.model_copy(update={"urdf": urdf}), tf_prefix)
    return simulated(robot) if simulation else robot


def load_convention(name_or_path: str) -> Convention:
    """Read the YAML of a convention.

    Args:
        name_or_path: ``aloha``, or the path of a YAML file of one's own.

    Raises:
        EmbodimentError: The name is unknown or the file does not describe a convention.
    """
    return read_spec(find_convention(name_or_path), Convention, "a convention")


def convention_of(embodiment: Embodiment) -> Convention:
    """Return the convention of openpi's checkpoints for a robot.

    Where the YAML names none, the model's numbers are the robot's, with its ``policy.delta``.

    Raises:
        EmbodimentError: It is unknown, malformed, or of another width than the robot.
    """
    widths = vector_widths(embodiment)
    name = embodiment.openpi.convention if embodiment.openpi else None
    if name is None:
        return Convention.identity(*widths, embodiment.policy.delta)
    convention = load_convention(name)
    if (convention.state_width, convention.action_width) != widths:
        raise EmbodimentError(
            f"openpi.convention of {embodiment.name} is '{convention.name}', which has states of "
            f"{convention.state_width} and actions of {convention.action_width} numbers; the "
            f"robot's vectors have {widths[0]} and {widths[1]}. Name another convention, or the "
            "joints that it has"
        )
    return convention


def load_urdf(
    embodiment: Embodiment,
    *,
    mujoco: bool = False,
    description: Literal["own", "vendor"] = "own",
) -> str:
    """Expand the robot's xacro to URDF text.

    Args:
        embodiment: The robot; its ``urdf`` is a path, or a file name in this package's urdf/.
        mujoco: Add the compiler settings that MuJoCo reads from a URDF.
        description: ``vendor`` uses the vendor's description package, which must be installed.

    Raises:
        EmbodimentError: The file does not exist or xacro cannot expand it.
    """
    asked = {"mujoco": str(mujoco).lower(), "description": description}
    return expand(find_urdf(embodiment.urdf), {**embodiment.urdf_arguments, **asked})
