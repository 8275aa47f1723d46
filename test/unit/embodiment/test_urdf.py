"""The robot description against the vendor's own tables, not against another copy of itself."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np
import pytest
import xacro
import yourdfpy

from pi0_ros.embodiment.loading import load_embodiment

BIMANUAL = Path(__file__).resolve().parents[3] / "urdf" / "ur5e_bimanual.urdf.xacro"
SIDES = ("left_", "right_")
ARM_JOINTS = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
KNUCKLE = "robotiq_85_left_knuckle_joint"
CAMERAS = ("base_camera", "left_wrist_camera", "right_wrist_camera")
ROBOT = load_embodiment("ur5e_bimanual")
HOME = {
    side: tuple(ROBOT.joints[ROBOT.index(side + name)].home for name in ARM_JOINTS)
    for side in SIDES
}  # [rad]

# Universal Robots, "DH parameters for calculations of kinematics and dynamics", UR5e.
DH_A_M = (0.0, -0.425, -0.3922, 0.0, 0.0, 0.0)
DH_D_M = (0.1625, 0.0, 0.0, 0.1333, 0.0997, 0.0996)
DH_ALPHA_RAD = (np.pi / 2, 0.0, 0.0, np.pi / 2, -np.pi / 2, 0.0)


def expand(**arguments: str) -> str:
    """Expand the description as the launch files do."""
    return xacro.process_file(str(BIMANUAL), mappings=arguments).toxml()


@pytest.fixture(scope="module")
def text() -> str:
    """Return the plain URDF."""
    return expand()


@pytest.fixture(scope="module")
def tree(text: str) -> ElementTree.Element:
    """Return the plain URDF as XML."""
    return ElementTree.fromstring(text)


@pytest.fixture
def robot(text: str) -> yourdfpy.URDF:
    """Return the plain URDF with forward kinematics."""
    return yourdfpy.URDF.load(io.StringIO(text))


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    """Return the description as MuJoCo compiles it."""
    return mujoco.MjSpec.from_string(expand(mujoco="true")).compile()


def base_to_tool0(angles: np.ndarray) -> np.ndarray:
    """Compute the flange's pose from the DH table.

    Args:
        angles: Joint angles, (6,) [rad].

    Returns:
        Homogeneous transform, (4, 4); its base is turned by pi to have x forward (REP-103).
    """
    pose = np.diag([-1.0, -1.0, 1.0, 1.0])
    for angle, a, d, alpha in zip(angles, DH_A_M, DH_D_M, DH_ALPHA_RAD, strict=True):
        cos, sin, cos_alpha, sin_alpha = np.cos(angle), np.sin(angle), np.cos(alpha), np.sin(alpha)
        pose = pose @ np.array(
            [
                [cos, -sin * cos_alpha, sin * sin_alpha, a * cos],
                [sin, cos * cos_alpha, -cos * sin_alpha, a * sin],
                [0.0, sin_alpha, cos_alpha, d],
                [0.0, 0.0, 0.0, 1.0],
            ]
        )
    return pose


def at_home(model: mujoco.MjModel, knuckle_rad: float = 0.0) -> mujoco.MjData:
    """Place both arms at home and both grippers at one knuckle angle."""
    state = mujoco.MjData(model)
    for side in SIDES:
        for name, angle in zip(ARM_JOINTS, HOME[side], strict=True):
            state.joint(side + name).qpos = angle
        state.joint(side + KNUCKLE).qpos = knuckle_rad
    for follower, leader, line in zip(model.eq_obj1id, model.eq_obj2id, model.eq_data, strict=True):
        leader_rad = state.qpos[model.jnt_qposadr[leader]]
        state.qpos[model.jnt_qposadr[follower]] = line[0] + line[1] * leader_rad
    mujoco.mj_forward(model, state)
    return state


@pytest.mark.parametrize("side", SIDES)
def test_tool0_is_where_the_dh_table_puts_it(robot: yourdfpy.URDF, side: str) -> None:
    random = np.random.default_rng(5)
    for angles in random.uniform(-np.pi, np.pi, size=(200, 6)):
        robot.update_cfg({side + name: q for name, q in zip(ARM_JOINTS, angles, strict=True)})
        pose = robot.get_transform(side + "tool0", side + "base_link")
        np.testing.assert_allclose(pose, base_to_tool0(angles), rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_mujoco_puts_tool0_where_the_dh_table_does(model: mujoco.MjModel, side: str) -> None:
    random = np.random.default_rng(6)
    state = mujoco.MjData(model)
    for angles in random.uniform(-np.pi, np.pi, size=(200, 6)):
        for name, angle in zip(ARM_JOINTS, angles, strict=True):
            state.joint(side + name).qpos = angle
        mujoco.mj_kinematics(model, state)
        base, tool = state.body(side + "base_link"), state.body(side + "tool0")
        expected = base_to_tool0(angles)
        np.testing.assert_allclose(tool.xpos - base.xpos, expected[:3, 3], rtol=0.0, atol=1e-6)
        np.testing.assert_allclose(tool.xmat.reshape(3, 3), expected[:3, :3], rtol=0.0, atol=1e-6)


def test_the_bases_stand_70_cm_apart(robot: yourdfpy.URDF) -> None:
    for side, y in (("left_", 0.35), ("right_", -0.35)):
        pose = robot.get_transform(side + "base_link", "world")
        np.testing.assert_allclose(pose[:3, 3], [0.0, y, 0.0], atol=1e-12)
        np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-12)


def test_a_mount_can_be_moved_by_an_argument() -> None:
    moved = yourdfpy.URDF.load(io.StringIO(expand(left_mount_xyz="0 0.5 0.1")))
    np.testing.assert_allclose(
        moved.get_transform("left_base_link", "world")[:3, 3], [0.0, 0.5, 0.1]
    )


def test_the_actuated_joints_are_six_and_a_gripper_per_arm_in_order(robot: yourdfpy.URDF) -> None:
    expected = [side + name for side in SIDES for name in (*ARM_JOINTS, KNUCKLE)]
    assert list(robot.actuated_joint_names) == expected


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("name", "position_rad", "effort_nm"),
    [
        ("shoulder_pan_joint", 2 * np.pi, 150.0),
        ("shoulder_lift_joint", 2 * np.pi, 150.0),
        ("elbow_joint", np.pi, 150.0),
        ("wrist_1_joint", 2 * np.pi, 28.0),
        ("wrist_2_joint", 2 * np.pi, 28.0),
        ("wrist_3_joint", 2 * np.pi, 28.0),
    ],
)
def test_the_arm_limits_are_the_vendors(
    robot: yourdfpy.URDF, side: str, name: str, position_rad: float, effort_nm: float
) -> None:
    limit = robot.joint_map[side + name].limit
    assert (limit.lower, limit.upper) == pytest.approx((-position_rad, position_rad))
    assert limit.velocity == pytest.approx(np.pi)
    assert limit.effort == effort_nm


@pytest.mark.parametrize("side", SIDES)
def test_five_joints_mimic_the_knuckle_within_their_limits(robot: yourdfpy.URDF, side: str) -> None:
    expected = {
        "right_knuckle": -1.0,
        "left_inner_knuckle": 1.0,
        "right_inner_knuckle": -1.0,
        "left_finger_tip": -1.0,
        "right_finger_tip": 1.0,
    }
    knuckle = robot.joint_map[side + KNUCKLE]
    assert (knuckle.limit.lower, knuckle.limit.upper, knuckle.mimic) == (0.0, 0.8, None)
    for name, multiplier in expected.items():
        joint = robot.joint_map[f"{side}robotiq_85_{name}_joint"]
        assert (joint.mimic.joint, joint.mimic.multiplier) == (side + KNUCKLE, multiplier)
        span = sorted((0.0, 0.8 * multiplier))
        assert [joint.limit.lower, joint.limit.upper] == span


def pad_gap_and_middle_m(robot: yourdfpy.URDF, knuckle_rad: float) -> tuple[float, float]:
    """Return the gap between the pads and their middle along the base link's z [m]."""
    robot.update_cfg({"left_" + KNUCKLE: knuckle_rad})
    base = "left_robotiq_85_base_link"
    inner, middle = [], []
    for side, sign in (("left", 1.0), ("right", -1.0)):
        link = f"left_robotiq_85_{side}_finger_tip_link"
        shape = robot.link_map[link].collisions[0]
        centre = robot.get_transform(link, base) @ shape.origin @ [0.0, 0.0, 0.0, 1.0]
        inner.append(sign * centre[0] - shape.geometry.box.size[0] / 2)
        middle.append(centre[2])
    assert middle[0] == pytest.approx(middle[1])
    return sum(inner), middle[0]


def test_the_pads_meet_at_the_closed_angle_and_open_to_the_stroke(robot: yourdfpy.URDF) -> None:
    assert pad_gap_and_middle_m(robot, 0.7929)[0] == pytest.approx(0.0, abs=0.5e-3)
    assert pad_gap_and_middle_m(robot, 0.0)[0] == pytest.approx(0.085, abs=1.5e-3)


@pytest.mark.parametrize("side", SIDES)
def test_the_tool_point_is_in_the_middle_of_the_closed_pads(
    robot: yourdfpy.URDF, side: str
) -> None:
    pose = robot.get_transform(side + "tool_point", side + "robotiq_85_base_link")
    middle_m = pad_gap_and_middle_m(robot, 0.7929)[1]
    np.testing.assert_allclose(pose[:3, 3], [0.0, 0.0, middle_m], atol=0.5e-3)
    from_tool0 = robot.get_transform(side + "tool_point", side + "tool0")
    np.testing.assert_allclose(from_tool0[:3, :3], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(from_tool0[:3, 3], [0.0, 0.0, 0.140], atol=1e-9)


@pytest.mark.parametrize("camera", CAMERAS)
def test_an_optical_frame_has_z_forward_x_right_and_y_down(
    robot: yourdfpy.URDF, camera: str
) -> None:
    optical = robot.get_transform(f"{camera}_optical_frame", f"{camera}_link")[:3, :3]
    forward, left, up = np.eye(3)
    np.testing.assert_allclose(optical.T, [-left, -up, forward], atol=1e-9)


def test_the_base_camera_looks_down_with_the_far_side_up(robot: yourdfpy.URDF) -> None:
    right, down, forward = robot.get_transform("base_camera_optical_frame", "world")[:3, :3].T
    np.testing.assert_allclose(forward, [0.0, 0.0, -1.0], atol=1e-9)
    np.testing.assert_allclose(down, [-1.0, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(right, [0.0, -1.0, 0.0], atol=1e-9)


@pytest.mark.parametrize(("x", "y"), [(0.30, -0.16), (0.30, 0.16), (0.52, -0.16), (0.52, 0.16)])
def test_the_base_camera_sees_the_working_area(robot: yourdfpy.URDF, x: float, y: float) -> None:
    point = robot.get_transform("world", "base_camera_optical_frame") @ [x, y, 0.0, 1.0]
    half_height = np.tan(np.radians(42.0) / 2)
    assert abs(point[0] / point[2]) < half_height * 4 / 3
    assert abs(point[1] / point[2]) < half_height


@pytest.mark.parametrize("side", SIDES)
def test_a_wrist_camera_has_the_tool_point_in_its_middle_half(
    robot: yourdfpy.URDF, side: str
) -> None:
    camera = f"{side}wrist_camera_optical_frame"
    point = robot.get_transform(side + "tool_point", camera)[:3, 3]
    assert point[0] == pytest.approx(0.0, abs=1e-9)
    assert abs(point[1] / point[2]) < np.tan(np.radians(58.0) / 2) / 2
    assert point[2] > 0.1


@pytest.mark.parametrize("side", SIDES)
def test_a_wrist_image_is_upright_when_the_tool_points_down(
    robot: yourdfpy.URDF, side: str
) -> None:
    robot.update_cfg({side + name: q for name, q in zip(ARM_JOINTS, HOME[side], strict=True)})
    right, down, forward = robot.get_transform(f"{side}wrist_camera_optical_frame", "world")[
        :3, :3
    ].T
    np.testing.assert_allclose(right, [0.0, -1.0, 0.0], atol=1e-6)
    assert down[0] < -0.9, "the top of the image points away from the robot"
    assert forward[2] < -0.9


@pytest.mark.parametrize("side", SIDES)
def test_at_home_the_tool_points_down_beside_the_working_area(
    robot: yourdfpy.URDF, side: str
) -> None:
    robot.update_cfg({side + name: q for name, q in zip(ARM_JOINTS, HOME[side], strict=True)})
    pose = robot.get_transform(side + "tool_point", "world")
    outward = 1.0 if side == "left_" else -1.0
    np.testing.assert_allclose(pose[:3, 2], [0.0, 0.0, -1.0], atol=1e-9)
    np.testing.assert_allclose(pose[:3, 3], [0.325, outward * 0.45, 0.348], atol=2e-3)


@pytest.mark.parametrize("knuckle_rad", [0.0, 0.2, 0.4, 0.6, 0.79])
def test_at_home_nothing_touches_anything(model: mujoco.MjModel, knuckle_rad: float) -> None:
    state = at_home(model, knuckle_rad)
    touching = {
        tuple(model.body(model.geom_bodyid[geom]).name for geom in contact.geom)
        for contact in state.contact
    }
    assert touching == set()


def test_every_moving_link_has_a_mass_that_turns_as_a_rigid_body_does(
    robot: yourdfpy.URDF,
) -> None:
    for joint in robot.joint_map.values():
        if joint.type == "fixed":
            continue
        inertial = robot.link_map[joint.child].inertial
        moments = np.linalg.eigvalsh(inertial.inertia)
        assert inertial.mass > 0.0, joint.child
        assert moments[0] > 0.0, joint.child
        assert moments[0] + moments[1] >= moments[2], joint.child


def test_the_long_links_turn_most_easily_about_their_length(robot: yourdfpy.URDF) -> None:
    for name in ("left_upper_arm_link", "left_forearm_link"):
        inertial = robot.link_map[name].inertial
        axes = inertial.origin[:3, :3]
        in_link = axes @ inertial.inertia @ axes.T
        assert np.argmin(np.diag(in_link)) == 0, f"{name} lies along its x axis"


def test_the_arms_differ_in_their_mounts_only(tree: ElementTree.Element) -> None:
    def described(side: str) -> dict[str, str]:
        elements = [element for element in tree if element.get("name", "").startswith(side)]
        return {
            element.get("name", "").removeprefix(side): ElementTree.tostring(
                element, encoding="unicode"
            ).replace(f'"{side}', '"')
            for element in elements
        }

    left, right = described("left_"), described("right_")
    assert {name for name in left | right if left.get(name) != right.get(name)} == {"mount_joint"}


def test_the_mujoco_tag_is_there_only_when_asked_for(tree: ElementTree.Element) -> None:
    assert tree.find("mujoco") is None
    compiler = ElementTree.fromstring(expand(mujoco="true")).find("mujoco/compiler")
    assert compiler is not None
    assert compiler.attrib == {"fusestatic": "false", "discardvisual": "false"}


def test_it_expands_from_any_directory(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expand() == text
