"""Read a robot's YAML and its URDF."""

from __future__ import annotations

import xacro
import yaml
from pydantic import ValidationError

from pi0_ros.embodiment.files import EmbodimentError, find_embodiment, find_urdf
from pi0_ros.embodiment.spec import Embodiment


def load_embodiment(name_or_path: str) -> Embodiment:
    """Read a robot's YAML.

    Args:
        name_or_path: ``ur5e_bimanual``, or the path of a YAML file of one's own.

    Raises:
        EmbodimentError: The name is unknown or the file does not describe a robot.
    """
    path = find_embodiment(name_or_path)
    try:
        return Embodiment.model_validate(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EmbodimentError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {e['input']!r:.80})"
            for e in error.errors()
        ]
        raise EmbodimentError("\n".join([f"{path} does not describe a robot:", *lines])) from error


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
