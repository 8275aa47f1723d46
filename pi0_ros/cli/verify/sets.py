"""The golden sets below a directory, each told by its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pi0_ros.cli.verify.comparison import Result
from pi0_ros.cli.verify.conditions import Conditions, as_recorded
from pi0_ros.cli.verify.lerobot_set import compare_lerobot
from pi0_ros.cli.verify.openpi_set import compare_openpi
from pi0_ros.cli.verify.pipeline_set import compare_pipeline

Compare = Callable[[Path, str, Conditions], list[Result]]


def compare_all(directory: Path, conditions: Conditions) -> list[Result]:
    """Compare every set in a directory and in the folders below it.

    Raises:
        FileNotFoundError: The directory, or a file of a set, does not exist.
        ValueError: There is no set, or one is damaged or incomplete.
    """
    folders = _find(directory)
    results: list[Result] = []
    with as_recorded():
        for folder in folders:
            name = str(folder.relative_to(directory.resolve().parent))
            results += _comparer(folder)(folder, name, conditions)
    return results


def _find(directory: Path) -> list[Path]:
    """List the folders that hold tensors, outer ones first."""
    if not directory.is_dir():
        raise FileNotFoundError(
            f"{directory} is no directory; give one with recorded numbers, or none for those that "
            "come with this package"
        )
    found = sorted({file.parent for file in directory.resolve().rglob("*.safetensors")})
    if not found:
        raise ValueError(
            f"{directory} holds no set: there is no safetensors file in or below it. "
            "config/golden/README.md says what a set looks like."
        )
    return found


def _comparer(folder: Path) -> Compare:
    """Tell the kind of a set by the file that only this kind has."""
    if (folder / "arch.json").is_file():
        return compare_lerobot
    if (folder / "pipeline.json").is_file():
        return lambda folder, name, _: compare_pipeline(folder, name)
    if _has_dims(folder / "config.json"):
        return compare_openpi
    raise ValueError(
        f"{folder} holds tensors but is no set: it has no config.json with 'dims' (a model of "
        "openpi's), no arch.json (a policy of LeRobot's) and no pipeline.json. "
        "config/golden/README.md says what a set looks like."
    )


def _has_dims(file: Path) -> bool:
    try:
        return file.is_file() and "dims" in json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return False
