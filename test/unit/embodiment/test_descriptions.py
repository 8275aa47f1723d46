"""What every robot description offers: a prefix before its names, and the vendor's shapes."""

from __future__ import annotations

import io
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import xacro
import yourdfpy
from ament_index_python import PackageNotFoundError, get_package_share_directory

URDF = Path(__file__).resolve().parents[3] / "urdf"
ROBOTS = sorted(path.name.removesuffix(".urdf.xacro") for path in URDF.glob("*.urdf.xacro"))
PACKAGES = {
    "ur5e": ("ur_description", "robotiq_description"),
    "ur5e_bimanual": ("ur_description", "robotiq_description"),
    "franka": ("franka_description",),
}

# Stand-ins for the vendors' packages: their macros as the descriptions call them, with a link
# that tells what arrived.
STAND_INS = {
    "ur_description/urdf/ur_macro.xacro": """
      <xacro:macro name="ur_robot" params="name tf_prefix parent *origin
          joint_limits_parameters_file kinematics_parameters_file physical_parameters_file
          visual_parameters_file">
        <link name="${tf_prefix}vendor_arm"/>
        <link name="${tf_prefix}tool0"/>
      </xacro:macro>""",
    "robotiq_description/urdf/robotiq_2f_85_macro.urdf.xacro": """
      <xacro:macro name="robotiq_gripper" params="name prefix parent *origin include_ros2_control">
        <link name="${prefix}vendor_gripper_on_${parent}"/>
      </xacro:macro>""",
    "robotiq_description/urdf/ur_to_robotiq_adapter.urdf.xacro": """
      <xacro:macro name="ur_to_robotiq" params="prefix parent child rotation:=^|${0.0}">
        <link name="${prefix}vendor_adapter_on_${parent}"/>
      </xacro:macro>""",
    "franka_description/robots/common/franka_arm.xacro": """
      <xacro:macro name="franka_arm" params="arm_id arm_prefix connected_to joint_limits kinematics
          inertials dynamics">
        <link name="${arm_prefix}vendor_arm_with_${joint_limits['of']}"/>
      </xacro:macro>""",
    "franka_description/end_effectors/common/utils.xacro": "",
    "franka_description/end_effectors/common/franka_hand.xacro": """
      <xacro:macro name="franka_hand" params="arm_id arm_prefix ee_id connected_to rpy_ee
          ee_inertials">
        <link name="${arm_prefix}vendor_gripper_on_${connected_to}"/>
      </xacro:macro>""",
}
FR3_FILES = ("joint_limits", "kinematics", "inertials", "dynamics")


def expand(robot: str, **arguments: str) -> str:
    """Expand a robot's description as the launch files do."""
    return xacro.process_file(str(URDF / f"{robot}.urdf.xacro"), mappings=arguments).toxml()


def names(text: str, tag: str) -> list[str]:
    """Return the names of a URDF's links or joints, in order."""
    return [element.get("name", "") for element in ElementTree.fromstring(text).findall(tag)]


def installed(packages: tuple[str, ...]) -> bool:
    """Tell whether the vendor's packages are on this machine."""
    try:
        return all(get_package_share_directory(package) for package in packages)
    except (PackageNotFoundError, OSError):  # OSError: no search path is set
        return False


@pytest.fixture
def vendor_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the stand-ins."""
    share = tmp_path / "share"
    for name, body in STAND_INS.items():
        path = share / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'<robot xmlns:xacro="http://www.ros.org/wiki/xacro">{body}</robot>')
        marker = share / "ament_index/resource_index/packages" / name.split("/")[0]
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    config = share / "franka_description" / "robots" / "fr3"
    config.mkdir(parents=True)
    for name in FR3_FILES:
        (config / f"{name}.yaml").write_text(f"of: {name}")
    hand = share / "franka_description" / "end_effectors" / "franka_hand"
    hand.mkdir(parents=True)
    (hand / "inertials.yaml").write_text("of: inertials")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_prefix_stands_before_every_name_but_world_and_changes_nothing_else(robot: str) -> None:
    plain, prefixed = expand(robot), expand(robot, tf_prefix="cell_a_")
    for tag in ("link", "joint"):
        expected = [
            name if (tag, name) == ("link", "world") else "cell_a_" + name
            for name in names(plain, tag)
        ]
        assert names(prefixed, tag) == expected
    assert prefixed.replace("cell_a_", "") == plain


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_description_that_does_not_exist_is_refused_with_those_that_do(robot: str) -> None:
    with pytest.raises(xacro.XacroException, match="'vendr'; it must be own or vendor"):
        expand(robot, description="vendr")


@pytest.mark.parametrize("robot", sorted(set(ROBOTS) - set(PACKAGES)))
def test_where_the_vendor_has_nothing_to_include_it_says_why(robot: str) -> None:
    with pytest.raises(xacro.XacroException, match="use description:=own"):
        expand(robot, description="vendor")


@pytest.mark.parametrize("robot", PACKAGES)
def test_a_vendors_package_that_is_missing_is_named(
    robot: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    with pytest.raises(xacro.XacroException, match=f"'{PACKAGES[robot][0]}' not found"):
        expand(robot, description="vendor")


@pytest.mark.usefixtures("vendor_packages")
@pytest.mark.parametrize("side", ["left_", "right_"])
def test_two_ur5e_are_the_vendors_macros_with_our_cameras(side: str) -> None:
    links = names(expand("ur5e_bimanual", description="vendor"), "link")
    assert f"{side}vendor_arm" in links
    assert f"{side}vendor_adapter_on_{side}tool0" in links
    assert f"{side}vendor_gripper_on_{side}gripper_mount_link" in links
    assert f"{side}tool_point" in links
    assert f"{side}wrist_camera_optical_frame" in links
    assert f"{side}shoulder_link" not in links


@pytest.mark.parametrize("robot", ROBOTS)
def test_urdfdom_reads_it_as_robot_state_publisher_does(robot: str, tmp_path: Path) -> None:
    (tmp_path / "robot.urdf").write_text(expand(robot))
    check_urdf = Path(sys.executable).with_name("check_urdf")
    read = subprocess.run(
        [check_urdf, tmp_path / "robot.urdf"], capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr
    assert "Successfully Parsed" in read.stdout


@pytest.mark.usefixtures("vendor_packages")
def test_the_franka_is_the_vendors_macros_with_our_cameras() -> None:
    links = names(expand("franka", description="vendor", tf_prefix="a_"), "link")
    assert "a_vendor_arm_with_joint_limits" in links
    assert "a_vendor_gripper_on_a_fr3_link8" in links
    assert "a_tool_point" in links
    assert "a_wrist_camera_optical_frame" in links
    assert "a_fr3_link1" not in links


@pytest.mark.parametrize("robot", PACKAGES)
def test_the_vendors_robot_has_our_joints_at_our_places(robot: str) -> None:
    if not installed(PACKAGES[robot]):
        pytest.skip(f"not installed: {', '.join(PACKAGES[robot])}")
    ours, theirs = (
        yourdfpy.URDF.load(io.StringIO(expand(robot, description=kind)), load_meshes=False)
        for kind in ("own", "vendor")
    )
    assert ours.actuated_joint_names == theirs.actuated_joint_names
    assert set(ours.link_map) <= set(theirs.link_map)
    random = np.random.default_rng(3)
    limits = [ours.joint_map[name].limit for name in ours.actuated_joint_names]
    for name, limit in zip(ours.actuated_joint_names, limits, strict=True):
        their_limit = theirs.joint_map[name].limit
        for key in ("lower", "upper", "velocity", "effort"):
            assert getattr(limit, key) == pytest.approx(getattr(their_limit, key)), (name, key)
    for _ in range(10):
        positions = [random.uniform(limit.lower, limit.upper) for limit in limits]
        for urdf in (ours, theirs):
            urdf.update_cfg(positions)
        for link in ours.link_map:
            np.testing.assert_allclose(
                ours.get_transform(link), theirs.get_transform(link), atol=1e-6, err_msg=link
            )
