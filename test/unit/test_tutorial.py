"""The robot of docs/tutorials/add_a_robot.md, as somebody who follows it has it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest
import yourdfpy

from pi0_ros.embodiment.files import EmbodimentError
from pi0_ros.embodiment.kinematics import Chain
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import actions_to_model, padded
from pi0_ros.policy.instruction import parse_instruction
from pi0_ros.simulation.robot import SimRobot

CYCLES = 750  # of 2 ms


@pytest.fixture(scope="module")
def so101(so101_folder: Path) -> Embodiment:
    return load_embodiment(str(so101_folder / "so101.yaml"))


@pytest.fixture(scope="module")
def robot(so101_folder: Path) -> SimRobot:
    return SimRobot(load_embodiment(str(so101_folder / "so101.yaml"), simulation=True), 0.002)


def test_the_tutorial_has_two_files_and_no_python(so101_folder: Path, tutorial: str) -> None:
    assert {file.name for file in so101_folder.iterdir()} == {"so101.yaml", "so101.urdf.xacro"}
    assert "```python" not in tutorial


def test_its_numbers_go_to_the_models_vector_in_lerobots_order(so101: Embodiment) -> None:
    names = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
    assert so101.axis_names == names
    opened = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 1.74533])
    vector = padded(actions_to_model(so101, opened), so101.paddings["openpi"])
    np.testing.assert_allclose(vector, [0.1, 0.2, 0.3, 0.4, 0.5, 1.0, *[0.0] * 26], atol=1e-12)


def test_its_urdf_has_the_joints_and_limits_of_its_yaml(so101: Embodiment, tmp_path: Path) -> None:
    file = tmp_path / "so101.urdf"
    file.write_text(load_urdf(so101))
    urdf = yourdfpy.URDF.load(str(file), load_meshes=False)
    assert tuple(urdf.actuated_joint_names) == so101.joint_names
    for joint in so101.joints:
        limit = urdf.joint_map[joint.name].limit
        assert (limit.lower, limit.upper) == (joint.lower, joint.upper)
    assert {camera.frame for camera in so101.cameras} <= set(urdf.link_map)


def test_its_hand_is_where_the_makers_urdf_has_it(so101: Embodiment) -> None:
    """From so101_new_calib.urdf: the origin of wrist_roll, from that of shoulder_pan."""
    hand = Chain(load_urdf(so101), "hand", so101.joint_names)
    expected = [0.27747 - 0.02307, 0.02062 - 0.02079, 0.26685 - 0.09488 + 0.0949]
    np.testing.assert_allclose(hand.position(np.zeros(6)), expected, atol=1e-4)
    # ... and shoulder_pan turns to the right, shoulder_lift forward: a quarter turn each
    right = hand.position(np.array([np.pi / 2, 0, 0, 0, 0, 0]))
    np.testing.assert_allclose(right[:2], [0.0, -0.2544], atol=1e-3)
    assert hand.position(np.array([0, np.pi / 2, 0, 0, 0, 0]))[2] < 0.0


def test_at_home_the_tool_points_down(so101: Embodiment) -> None:
    tool = Chain(load_urdf(so101), "tool_point", so101.joint_names).pose(so101.home)
    np.testing.assert_allclose(tool[:3, 0], [0, 0, -1], atol=1e-9)


def test_two_of_them_can_share_a_cell(so101_folder: Path) -> None:
    left = load_embodiment(str(so101_folder / "so101.yaml"), tf_prefix="left_")
    names = {
        joint.get("name") for joint in ElementTree.fromstring(load_urdf(left)).findall("joint")
    }
    assert set(left.joint_names) <= names
    assert all(name.startswith("left_") for name in names)


def test_mujoco_reads_its_urdf_as_it_stands(so101: Embodiment) -> None:
    model = mujoco.MjModel.from_xml_string(load_urdf(so101, mujoco=True))
    assert model.njnt == 6
    assert float(np.sum(model.body_mass)) == pytest.approx(0.632, abs=1e-3)


def test_it_stands_still_at_home(robot: SimRobot) -> None:
    robot.reset(np.random.default_rng(0))
    home = robot.positions
    for _ in range(CYCLES):
        robot.step()
    np.testing.assert_allclose(robot.positions, home, atol=0.002)


@pytest.mark.parametrize("joint", range(6))
def test_each_of_its_joints_goes_where_it_is_told(robot: SimRobot, joint: int) -> None:
    robot.reset(np.random.default_rng(0))
    target = np.array(robot.positions)
    target[joint] -= 0.3
    robot.command = target
    for _ in range(CYCLES):
        robot.step()
    np.testing.assert_allclose(robot.positions, target, atol=0.01)


def test_the_prompt_of_the_tutorial_is_understood(so101: Embodiment) -> None:
    assert parse_instruction("arm reach the red block", so101.arms).arm == "arm"


def test_the_mistakes_of_the_tutorial_are_told_in_its_words(
    so101_folder: Path, tutorial: str, tmp_path: Path
) -> None:
    text = (so101_folder / "so101.yaml").read_text()
    text = text.replace("upper: 1.69}", "upper: 169}", 1)
    text = text.replace("slot: left_wrist_0_rgb", "slot: left_wrist_rgb")
    file = tmp_path / "so101.yaml"
    file.write_text(text)
    with pytest.raises(EmbodimentError) as caught:
        load_embodiment(str(file))
    said = str(caught.value).replace(str(file), "so101.yaml")
    assert f"```text\n{said}\n```" in tutorial
