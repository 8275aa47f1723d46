from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pi0_ros.cli.main import app
from pi0_ros.cli.robots.page import page, section
from pi0_ros.cli.robots.pictures import draw_robot, draw_sheet
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Driver

DOCS = Path(__file__).parents[3] / "docs"
ROBOTS = tuple(load_embodiment(name) for name in known_embodiments())
REMEDY = "run `pi0 robots --write docs`"


def test_the_page_says_what_the_yamls_say() -> None:
    assert (DOCS / "robots.md").read_text(encoding="utf-8") == page(ROBOTS), REMEDY


@pytest.mark.parametrize("name", known_embodiments())
def test_every_robot_has_its_picture(name: str) -> None:
    picture = np.asarray(Image.open(DOCS / "images" / "robots" / f"{name}.jpg").convert("RGB"))
    assert picture.shape == (480, 640, 3), REMEDY
    assert picture.std() > 10, "the picture is blank"


def test_a_sheet_has_three_pictures_in_a_row(tmp_path: Path) -> None:
    for name, color in (("a", "red"), ("b", "lime"), ("c", "blue"), ("d", "white")):
        Image.new("RGB", (640, 480), color).save(tmp_path / f"{name}.png")
    draw_sheet(sorted(tmp_path.glob("*.png")), tmp_path / "sheet.png")
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size == (960, 480)
    places = [(160, 120), (480, 120), (800, 120), (160, 360), (480, 360)]
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]
    assert [sheet.getpixel(place) for place in places] == expected


def test_the_page_and_the_pictures_are_written(tmp_path: Path) -> None:
    one = ROBOTS[0]
    draw_robot(one, tmp_path / "robot.jpg")
    assert Image.open(tmp_path / "robot.jpg").size == (640, 480)
    assert f"## {one.name}" in page([one])


def test_the_list_names_every_robot() -> None:
    said = CliRunner().invoke(app, ["robots"]).output
    assert all(robot.name in said for robot in ROBOTS)


def test_controllers_are_switched_from_moveits_to_ours_and_back() -> None:
    robot = load_embodiment("ur5e").model_copy(update={"driver": Driver(moveit=("theirs",))})
    ours = next(c.name for c in robot.controllers if c.type == "joint_trajectory")
    said = section(robot)
    assert f"switch_controllers --strict --deactivate theirs --activate {ours}" in said
    assert "--activate theirs" in said


def test_nothing_is_switched_where_moveit_uses_the_same_controllers() -> None:
    robot = load_embodiment("ur5e")
    names = tuple(c.name for c in robot.controllers if c.type == "joint_trajectory")
    said = section(robot.model_copy(update={"driver": Driver(moveit=names)}))
    assert "--deactivate" not in said
    assert f"the same controllers ({', '.join(names)}),\nso none is switched" in said


def test_a_driver_without_a_controller_manager_is_said_to_be_one() -> None:
    assert "there is nothing\nto switch" in section(load_embodiment("agilex_bimanual"))
