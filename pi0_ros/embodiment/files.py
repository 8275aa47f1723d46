"""Where files of robots and conventions are. Standard library only: ros2 launch imports it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pi0_ros.embodiment.errors import unknown_name


class EmbodimentError(ValueError):
    """The YAML of a robot or convention is missing or wrong; the message says where and why."""


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
    return _known("embodiments")


def known_conventions() -> tuple[str, ...]:
    """Names of the conventions of checkpoints that this package describes."""
    return _known("conventions")


def find_embodiment(name_or_path: str) -> Path:
    """Return the YAML of a robot by name or path.

    Raises:
        EmbodimentError: The name is unknown or the file does not exist.
    """
    return _find("embodiment", name_or_path)


def find_convention(name_or_path: str) -> Path:
    """Return the YAML of a convention by name or path.

    Raises:
        EmbodimentError: The name is unknown or the file does not exist.
    """
    return _find("convention", name_or_path)


def _known(folder: str) -> tuple[str, ...]:
    files = (share_directory() / "config" / folder).glob("*.yaml")
    return tuple(sorted(path.stem for path in files))


def _find(what: str, name_or_path: str) -> Path:
    path = Path(name_or_path).expanduser()
    if path.suffix in {".yaml", ".yml"}:
        if path.is_file():
            return path
        raise EmbodimentError(f"{what} file '{path}' does not exist")
    known = _known(f"{what}s")
    if name_or_path not in known:
        raise EmbodimentError(unknown_name(what, name_or_path, known))
    return share_directory() / "config" / f"{what}s" / f"{name_or_path}.yaml"


def find_urdf(urdf: str, yaml: Path | None = None) -> Path:
    """Return a URDF or xacro by path, beside the robot's YAML, or in this package's urdf/.

    Args:
        urdf: From / or ~, or relative to one of these folders.
        yaml: The robot's YAML, where it has a file.

    Raises:
        EmbodimentError: The file does not exist.
    """
    folders = [*([yaml.resolve().parent] if yaml else []), share_directory() / "urdf"]
    paths = dict.fromkeys(folder / Path(urdf).expanduser() for folder in folders)
    for path in paths:
        if path.is_file():
            return path
    raise EmbodimentError(f"urdf '{urdf}': no file {' and no file '.join(map(str, paths))}")
