"""What all tests may share: the robot of the tutorial, as somebody who follows it has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FILE = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def tutorial() -> str:
    """The text of docs/tutorials/add_a_robot.md."""
    root = Path(__file__).resolve().parents[1]
    return (root / "docs" / "tutorials" / "add_a_robot.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def so101_folder(tutorial: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the tutorial and nothing else."""
    folder = tmp_path_factory.mktemp("so101")
    for name, content in FILE.findall(tutorial):
        (folder / name).write_text(content, encoding="utf-8")
    return folder
