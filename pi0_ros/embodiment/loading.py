"""Read the YAML of a robot or convention, and a robot's URDF."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import xacro
import yaml
from pydantic import ValidationError

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.files import (
    EmbodimentError,
    find_convention,
    find_embodiment,
    find_urdf,
)
from pi0_ros.embodiment.spec import Embodiment, Spec

Checked = TypeVar("Checked", bound=Spec)


def load_embodiment(name_or_path: str) -> Embodiment:
    """Read a robot's YAML.

    Args:
        name_or_path: ``ur5e_bimanual``, or the path of a YAML file of one's own.

    Raises:
        EmbodimentError: The name is unknown or the file does not describe a robot.
    """
    return _read(find_embodiment(name_or_path), Embodiment, "a robot")


def load_convention(name_or_path: str) -> Convention:
    """Read the YAML of a convention.

    Args:
        name_or_path: ``aloha``, or the path of a YAML file of one's own.

    Raises:
        EmbodimentError: The name is unknown or the file does not describe a convention.
    """
    return _read(find_convention(name_or_path), Convention, "a convention")


def convention_of(embodiment: Embodiment) -> Convention:
    """Return the convention of openpi's checkpoints for a robot; the identity if it names none.

    Raises:
        EmbodimentError: It is unknown, malformed, or of another width than the robot.
    """
    width = len(embodiment.joints)
    if embodiment.openpi is None:
        return Convention.identity(width)
    convention = load_convention(embodiment.openpi.convention)
    if (convention.state_width, convention.action_width) != (width, width):
        raise EmbodimentError(
            f"openpi.convention of {embodiment.name} is '{convention.name}', which has states of "
            f"{convention.state_width} and actions of {convention.action_width} numbers; the "
            f"robot has {width} joints. Name another convention, or the joints that it has"
        )
    return convention


def load_urdf(embodiment: Embodiment, *, mujoco: bool = False) -> str:
    """Expand the robot's xacro to URDF text.

    Args:
        embodiment: The robot; its ``urdf`` is a path, or a file name in this package's urdf/.
        mujoco: Add the compiler settings that MuJoCo reads from a URDF.

    Raises:
        EmbodimentError: The file does not exist or xacro cannot expand it.
    """
    path = find_urdf(embodiment.urdf)
    try:
        document = xacro.process_file(str(path), mappings={"mujoco": str(mujoco).lower()})
    except Exception as error:  # xacro raises many kinds, each only a text for the user
        raise EmbodimentError(f"xacro cannot expand {path}: {error}") from error
    return str(document.toxml())


def _read(path: Path, kind: type[Checked], what: str) -> Checked:
    try:
        return kind.model_validate(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EmbodimentError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {e['input']!r:.80})"
            for e in error.errors()
        ]
        raise EmbodimentError("\n".join([f"{path} does not describe {what}:", *lines])) from error
