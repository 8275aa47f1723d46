from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pi0_ros.embodiment.files import EmbodimentError, known_conventions, known_embodiments
from pi0_ros.embodiment.loading import (
    convention_of,
    load_convention,
    load_embodiment,
    load_urdf,
)
from pi0_ros.embodiment.spec import Embodiment

Description = dict[str, Any]
PLAIN = '<robot name="r"><link name="world"/></robot>'


def refusal(name_or_path: str | Path) -> str:
    """Return what is said about a robot that cannot be read."""
    with pytest.raises(EmbodimentError) as caught:
        load_embodiment(str(name_or_path))
    return str(caught.value)


def with_urdf(description: Description, file: Path) -> Embodiment:
    return Embodiment.model_validate({**description, "urdf": str(file)})


@pytest.mark.parametrize("name", known_conventions())
def test_every_convention_of_the_package_loads_under_its_name(name: str) -> None:
    assert load_convention(name).name == name


@pytest.mark.parametrize("name", known_embodiments())
def test_every_robot_of_the_package_has_a_convention_of_its_width(name: str) -> None:
    robot = load_embodiment(name)
    assert convention_of(robot).state_width == len(robot.joints)


def test_a_robots_yaml_names_its_convention(embodiment: Embodiment) -> None:
    assert convention_of(embodiment).name == "ur5_dual"


def test_a_robot_that_names_no_convention_has_the_identity(description: Description) -> None:
    convention = convention_of(Embodiment.model_validate(description))
    assert (convention.name, convention.action_width) == ("identity", 2)


def test_a_convention_of_another_width_than_the_robot_is_refused(description: Description) -> None:
    openpi = {"statistics": "ur5e", "convention": "ur5"}
    robot = Embodiment.model_validate({**description, "openpi": openpi})
    said = "openpi.convention of slider is 'ur5', .* 7 numbers; the robot has 2 joints"
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
    file = tmp_path / "slider.yaml"
    file.write_text(yaml.safe_dump(description))
    assert load_embodiment(str(file)).joint_names == ("slide", "grip")


@pytest.mark.parametrize("content", [b"name: [ur5e", b"name: \xff\xfe"])
def test_a_file_that_is_no_yaml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    assert f"{file} is not valid YAML" in refusal(file)


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just text"])
def test_a_yaml_of_another_form_is_no_robot(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(content)
    assert f"{file} does not describe a robot:\n  file: " in refusal(file)


def test_a_wrong_value_is_told_with_file_key_and_value(
    description: Description, tmp_path: Path
) -> None:
    description["joints"][0]["velocity"] = "fast"
    file = tmp_path / "slider.yaml"
    file.write_text(yaml.safe_dump(description))
    text = refusal(file)
    assert str(file) in text
    assert "joints.0.velocity: " in text
    assert "(got 'fast')" in text


def test_all_wrong_values_are_told_at_once(description: Description, tmp_path: Path) -> None:
    description["policy"]["horizon"] = 1
    description["command"]["lead_ms"] = -5
    file = tmp_path / "slider.yaml"
    file.write_text(yaml.safe_dump(description))
    text = refusal(file)
    assert "policy.horizon" in text
    assert "command.lead_ms" in text


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
