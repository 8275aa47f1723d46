from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pi0_ros.embodiment.files import EmbodimentError, find_embodiment, known_embodiments
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.viewer import Viewer

ROBOTS = known_embodiments()
ROBOT = "ur5e_bimanual"


@cache
def manager(robot: str, tf_prefix: str = "", simulation: bool = True) -> dict[str, Any]:
    return Viewer(robot, tf_prefix).config(simulation=simulation)["Visualization Manager"]


def topics(robot: str, simulation: bool = True) -> dict[str, str]:
    """The topic of each display by its name."""
    found = {}
    for display in manager(robot, simulation=simulation)["Displays"]:
        topic = display.get("Topic") or display.get("Description Topic")
        if topic:
            found[display["Name"]] = topic["Value"]
    return found


@pytest.mark.parametrize("robot", ROBOTS)
def test_rviz_shows_the_topics_that_the_robot_really_has(robot: str) -> None:
    embodiment = load_embodiment(robot)
    expected = {
        "Robot": "robot_description",
        "Plan": "preview_node/plan",
        "Blocks": "sim_robot_node/blocks",
        **{camera.name: camera.topic for camera in embodiment.cameras},
    }
    if embodiment.base is not None:
        expected["Odometry"] = embodiment.base.odometry
    assert topics(robot) == expected


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_real_robot_has_no_simulated_blocks(robot: str) -> None:
    assert topics(robot).items() - topics(robot, simulation=False).items() == {
        ("Blocks", "sim_robot_node/blocks")
    }


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("tf_prefix", ["", "cell_"])
def test_all_stands_in_the_frame_that_does_not_move(robot: str, tf_prefix: str) -> None:
    embodiment = load_embodiment(robot, tf_prefix=tf_prefix)
    base = embodiment.base
    found = manager(robot, tf_prefix)
    fixed = found["Global Options"]["Fixed Frame"]
    assert fixed == (base.odometry_frame if base else "world")
    followed = found["Views"]["Current"]["Target Frame"]
    assert followed == (base.frame if base else "world")


@pytest.mark.parametrize("robot", ROBOTS)
def test_one_looks_at_the_robot_from_where_the_overview_camera_does(robot: str) -> None:
    view = manager(robot)["Views"]["Current"]
    overview = load_embodiment(robot).scene.overview
    flat = view["Distance"] * math.cos(view["Pitch"])
    position = (
        view["Focal Point"]["X"] + flat * math.cos(view["Yaw"]),
        view["Focal Point"]["Y"] + flat * math.sin(view["Yaw"]),
        view["Focal Point"]["Z"] + view["Distance"] * math.sin(view["Pitch"]),
    )
    assert tuple(view["Focal Point"].values()) == pytest.approx(overview.target)
    assert position == pytest.approx(overview.position)


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_urdf_is_the_one_that_everybody_else_reads(robot: str) -> None:
    assert Viewer(robot).urdf() == load_urdf(load_embodiment(robot))
    prefixed = load_embodiment(robot, tf_prefix="cell_")
    assert Viewer(robot, "cell_").urdf() == load_urdf(prefixed)


def test_the_arguments_of_the_yaml_reach_the_urdf(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    facts = yaml.safe_load(find_embodiment(ROBOT).read_text())
    path.write_text(yaml.safe_dump({**facts, "urdf_arguments": {"left_mount_xyz": "0 0.77 0"}}))
    urdf = Viewer(str(path)).urdf()
    assert '"0 0.77 0"' in urdf
    assert urdf == load_urdf(load_embodiment(str(path)))


def test_images_are_taken_as_they_come_and_markers_that_came_before_are_shown() -> None:
    displays = {display["Name"]: display for display in manager(ROBOT)["Displays"]}
    assert displays["base_camera"]["Topic"]["Reliability Policy"] == "Best Effort"
    for name in ("Plan", "Blocks"):
        assert displays[name]["Topic"]["Durability Policy"] == "Transient Local"


def test_the_file_reads_back_as_it_was_written() -> None:
    viewer = Viewer(ROBOT)
    path = viewer.write_config(simulation=True)
    assert yaml.safe_load(path.read_text()) == viewer.config(simulation=True)
    path.unlink()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "robot.yaml is not valid YAML"),
        ("[]", "robot.yaml does not describe a robot: it has no urdf"),
        ("urdf: none.xacro", "urdf 'none.xacro': no file"),
        ("urdf: ur5e.urdf.xacro", "robot.yaml does not describe a robot .*'cameras'"),
        ("{urdf: ur5e.urdf.xacro, cameras: [eye]}", "robot.yaml does not describe a robot"),
    ],
)
def test_a_robot_that_cannot_be_shown_is_refused_with_its_file(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(text)
    with pytest.raises(EmbodimentError, match=says):
        Viewer(str(path)).config(simulation=True)
