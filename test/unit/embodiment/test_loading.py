from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pi0_ros.embodiment.files import (
    EmbodimentError,
    known_conventions,
    known_embodiments,
    share_directory,
)
from pi0_ros.embodiment.loading import (
    convention_of,
    load_convention,
    load_embodiment,
    load_urdf,
)
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import vector_widths

Description = dict[str, Any]
PLAIN = '<robot name="r"><link name="world"/></robot>'


def own_robot(description: Description, folder: Path) -> Path:
    """Write a robot's YAML into a folder of one's own."""
    file = folder / "slider.yaml"
    file.write_text(yaml.safe_dump(description))
    return file


def with_urdf(description: Description, file: Path) -> Embodiment:
    return Embodiment.model_validate({**description, "urdf": str(file)})


@pytest.mark.parametrize("name", known_conventions())
def test_every_convention_of_the_package_loads_under_its_name(name: str) -> None:
    assert load_convention(name).name == name


@pytest.mark.parametrize("name", known_embodiments())
def test_every_robot_of_the_package_has_a_convention_of_its_width(name: str) -> None:
    robot = load_embodiment(name)
    convention = convention_of(robot)
    assert (convention.state_width, convention.action_width) == vector_widths(robot)


def test_a_robots_yaml_names_its_convention(embodiment: Embodiment) -> None:
    assert convention_of(embodiment).name == "ur5_dual"


def test_a_robot_that_names_no_convention_has_the_identity(description: Description) -> None:
    convention = convention_of(Embodiment.model_validate(description))
    assert (convention.name, convention.action_width) == ("identity", 2)


def test_a_convention_of_another_width_than_the_robot_is_refused(description: Description) -> None:
    openpi = {"statistics": "ur5e", "convention": "ur5"}
    robot = Embodiment.model_validate({**description, "openpi": openpi})
    said = "openpi.convention of slider is 'ur5', .* 7 numbers; the robot's vectors have 2 and 2"
    with pytest.raises(EmbodimentError, match=said):
        convention_of(robot)


def test_a_wrong_convention_is_told_with_file_and_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\ntitle: Mine\nstate_width: 7\naction_width: none\n")
    with pytest.raises(EmbodimentError) as caught:
        load_convention(str(file))
    assert f"{file} does not describe a convention:\n  action_width: " in str(caught.value)


@pytest.mark.parametrize("name", known_embodiments())
def test_every_robot_of_the_package_loads_with_its_urdf(name: str) -> None:
    robot = load_embodiment(name)
    assert robot.name == name
    assert "<robot" in load_urdf(robot)


def test_a_robot_of_ones_own_is_read_from_its_path(
    description: Description, tmp_path: Path
) -> None:
    (tmp_path / "slider.urdf").write_text(PLAIN)
    assert load_embodiment(str(own_robot(description, tmp_path))).joint_names == ("slide", "grip")


def test_a_robots_files_stand_beside_each_other(description: Description, tmp_path: Path) -> None:
    file = own_robot(description, tmp_path)
    (tmp_path / "slider.urdf").write_text(PLAIN)
    robot = load_embodiment(str(file))
    assert robot.urdf == str(tmp_path / "slider.urdf")
    assert '<link name="world"/>' in load_urdf(robot)


def test_a_urdf_that_stands_nowhere_is_told_with_where_it_was_looked_for(
    description: Description, tmp_path: Path
) -> None:
    file = own_robot(description, tmp_path)
    with pytest.raises(EmbodimentError) as caught:
        load_embodiment(str(file))
    for said in (file, "urdf 'slider.urdf'", tmp_path / "slider.urdf", share_directory() / "urdf"):
        assert str(said) in str(caught.value)


def test_a_robot_can_be_loaded_with_a_prefix_and_for_the_simulation(
    description: Description, tmp_path: Path
) -> None:
    description["controllers"][1]["type"] = "gripper_command"
    (tmp_path / "slider.urdf").write_text(PLAIN)
    robot = load_embodiment(
        str(own_robot(description, tmp_path)), tf_prefix="left_", simulation=True
    )
    assert robot.joint_names == ("left_slide", "left_grip")
    assert robot.controllers[1].type == "forward_position"


def test_a_plain_urdf_is_read_from_its_path(description: Description, tmp_path: Path) -> None:
    file = tmp_path / "r.urdf"
    file.write_text(PLAIN)
    assert '<link name="world"/>' in load_urdf(with_urdf(description, file))


def test_a_missing_urdf_is_told_with_its_path(description: Description, tmp_path: Path) -> None:
    with pytest.raises(EmbodimentError, match=r"urdf .*: no file .*none\.urdf"):
        load_urdf(with_urdf(description, tmp_path / "none.urdf"))


@pytest.mark.parametrize(
    "content",
    [
        "<robot",
        '<robot name="r" xmlns:xacro="http://www.ros.org/wiki/xacro">${unknown}</robot>',
        '<robot name="r" xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:nothing/></robot>',
    ],
)
def test_what_xacro_cannot_expand_is_told_with_the_file(
    description: Description, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "broken.xacro"
    file.write_text(content)
    with pytest.raises(EmbodimentError, match=f"xacro cannot expand {file}: ."):
        load_urdf(with_urdf(description, file))


def test_mujocos_settings_are_added_only_when_asked_for(embodiment: Embodiment) -> None:
    assert "<mujoco>" not in load_urdf(embodiment)
    assert "<mujoco>" in load_urdf(embodiment, mujoco=True)
