"""A robot's YAML with other rates, in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from pi0_ros.embodiment.files import find_embodiment, find_urdf


def copy_robot(embodiment: str, folder: Path, changes: Mapping[str, Mapping[str, float]]) -> Path:
    """Write a copy of a robot's YAML with some numbers changed; in a list, of each entry.

    Args:
        embodiment: Name or YAML of the robot.
        folder: Where the copy goes; it has the file's name.
        changes: New values by section and key, such as ``{"command": {"rate_hz": 1000}}``.

    Returns:
        The copy; its ``urdf`` is a whole path, so that it may lie anywhere.
    """
    path = find_embodiment(embodiment)
    content = yaml.safe_load(path.read_text())
    for section, values in changes.items():
        entries = content[section]
        for entry in entries if isinstance(entries, list) else [entries]:
            entry |= values
    content["urdf"] = str(find_urdf(content["urdf"], path))
    copy = folder / path.name
    copy.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return copy
