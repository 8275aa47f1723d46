"""Find and read a robot's YAML and its URDF."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import xacro
import yaml
from pydantic import ValidationError

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.spec import Embodiment


class EmbodimentError(ValueError):
    """A robot's YAML is missing or wrong; the message names file, key, value and remedy."""


@cache
def share_directory() -> Path:
    """Return the folder that holds config/, urdf/ and launch/: a checkout or an installed share."""
    for parent in Path(__file__).resolve().parents:
        for candidate in (parent, parent / "share" / "pi0_ros"):
            if (candidate / "config" / "embodiments").is_dir():
                return candidate
    raise EmbodimentError(
        f"no config/embodiments above {Path(__file__).resolve()}; build the workspace again"
    )


def known_embodiments() -> tuple[str, ...]:
    """Names of the robots that this package describes."""
    folder = share_directory() / "config" / "embodiments"
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load_embodiment(name_or_path: str) -> Embodiment:
    """Read a robot's YAML.

    Args:
        name_or_path: ``ur5e_bimanual``, or the path of a YAML file of one's own.

    Raises:
        EmbodimentError: The name is unknown or the file does not describe a robot.
    """
    path = _find(name_or_path)
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
    own = Path(embodiment.urdf).expanduser()
    path = own if own.is_absolute() else share_directory() / "urdf" / own
    if not path.is_file():
        raise EmbodimentError(f"urdf '{embodiment.urdf}' of {embodiment.name}: no file {path}")
    try:
        document = xacro.process_file(str(path), mappings={"mujoco": str(mujoco).lower()})
    except Exception as error:  # xacro raises many kinds, each only a text for the user
        raise EmbodimentError(f"xacro cannot expand {path}: {error}") from error
    return str(document.toxml())


def _find(name_or_path: str) -> Path:
    path = Path(name_or_path).expanduser()
    if path.suffix in {".yaml", ".yml"}:
        if path.is_file():
            return path
        raise EmbodimentError(f"embodiment file '{path}' does not exist")
    if name_or_path not in known_embodiments():
        raise EmbodimentError(unknown_name("embodiment", name_or_path, known_embodiments()))
    return share_directory() / "config" / "embodiments" / f"{name_or_path}.yaml"
