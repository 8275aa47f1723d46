"""Where the robots' files are. Standard library only: ros2 launch imports it, too."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pi0_ros.embodiment.errors import unknown_name


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


def find_embodiment(name_or_path: str) -> Path:
    """Return the YAML of a robot by name or path.

    Raises:
        EmbodimentError: The name is unknown or the file does not exist.
    """
    path = Path(name_or_path).expanduser()
    if path.suffix in {".yaml", ".yml"}:
        if path.is_file():
            return path
        raise EmbodimentError(f"embodiment file '{path}' does not exist")
    if name_or_path not in known_embodiments():
        raise EmbodimentError(unknown_name("embodiment", name_or_path, known_embodiments()))
    return share_directory() / "config" / "embodiments" / f"{name_or_path}.yaml"


def find_urdf(urdf: str) -> Path:
    """Return a xacro by path, or by its file name in this package's urdf/.

    Raises:
        EmbodimentError: The file does not exist.
    """
    own = Path(urdf).expanduser()
    path = own if own.is_absolute() else share_directory() / "urdf" / own
    if not path.is_file():
        raise EmbodimentError(f"urdf '{urdf}': no file {path}")
    return path
