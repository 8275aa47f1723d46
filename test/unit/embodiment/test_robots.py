"""All robots against tables of their vendors' figures (test/data/robots), not against themselves.

A table is walked by the few lines of numpy below; the URDFs are walked by yourdfpy and MuJoCo.
"""

from __future__ import annotations

import functools
import io
import itertools
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np
import pytest
import xacro
import yaml
import yourdfpy
from scipy.spatial.transform import Rotation

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Camera, Embodiment

ROOT = Path(__file__).resolve().parents[3]
ROBOTS = (
    "ur5e",
    "ur5e_bimanual",
    "franka",
    "trossen_bimanual",
    "arx_bimanual",
    "agilex_bimanual",
    "trossen_mobile",
    "arx_mobile",
    "fibocom_mobile",
)
every_robot = pytest.mark.parametrize("name", ROBOTS)

Joint = dict[str, object]
Pose = dict[str, float]


# --- the table ---------------------------------------------------------------------------------


@functools.cache
def table(name: str) -> tuple[dict[str, Joint], dict[str, float]]:
    """Return the joints by name, and the links' masses [kg]."""
    data = yaml.safe_load((ROOT / "test/data/robots" / f"{name}.yaml").read_text())
    keys = ("type", "parent", "child", "xyz", "rpy", "axis", "limits", "mimic")
    joints = {
        joint: dict(zip(keys, row + [None] * (len(keys) - len(row)), strict=True))
        for joint, row in data["joints"].items()
    }
    return joints, data["masses"]


def free_joints(name: str) -> dict[str, tuple[float, float]]:
    """Return the joints that follow no other one with their limits; an endless one has a turn."""
    return {
        joint: (-np.pi, np.pi) if row["type"] == "continuous" else tuple(row["limits"][:2])
        for joint, row in table(name)[0].items()
        if row["type"] != "fixed" and row["mimic"] is None
    }


def homogeneous(rotation: Rotation, translation: np.ndarray) -> np.ndarray:
    """Return a homogeneous transform, (4, 4)."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.as_matrix(), translation
    return pose


def table_poses(name: str, q: Pose) -> dict[str, tuple[str, np.ndarray]]:
    """Place every link of the table: the root of its tree, and its pose in that root, (4, 4) [m].

    On a table top the mounts are this repository's, so these tables have one tree per arm.
    """
    by_child = {row["child"]: (joint, row) for joint, row in table(name)[0].items()}

    def place(link: str) -> tuple[str, np.ndarray]:
        if link not in by_child:
            return link, np.eye(4)
        joint, row = by_child[link]
        root, pose = place(row["parent"])
        pose = pose @ homogeneous(Rotation.from_euler("xyz", row["rpy"]), row["xyz"])
        if row["type"] == "fixed":
            return root, pose
        leader, factor = row["mimic"] or (joint, 1.0)
        motion = np.array(row["axis"], dtype=float) * factor * q[leader]
        if row["type"] == "prismatic":
            return root, pose @ homogeneous(Rotation.identity(), motion)
        return root, pose @ homogeneous(Rotation.from_rotvec(motion), np.zeros(3))

    return {link: place(link) for link in by_child}


def random_poses(name: str, count: int) -> list[Pose]:
    """Draw joint positions within limits [rad or m]."""
    random = np.random.default_rng(11)
    return [
        {joint: random.uniform(*limits) for joint, limits in free_joints(name).items()}
        for _ in range(count)
    ]


# --- the URDF ----------------------------------------------------------------------------------


@functools.cache
def expand(name: str, **arguments: str) -> str:
    """Expand the description as the launch files do."""
    path = ROOT / "urdf" / f"{name}.urdf.xacro"
    return str(xacro.process_file(str(path), mappings=arguments).toxml())


@functools.cache
def urdf(name: str) -> yourdfpy.URDF:
    """Return the plain URDF with forward kinematics."""
    return yourdfpy.URDF.load(io.StringIO(expand(name)))


@functools.cache
def model(name: str) -> mujoco.MjModel:
    """Return the description as MuJoCo compiles it."""
    return mujoco.MjSpec.from_string(expand(name, mujoco="true")).compile()


@functools.cache
def robot(name: str) -> Embodiment:
    """Return the robot's YAML."""
    return load_embodiment(name)


def home(name: str) -> Pose:
    """Return the home pose [rad or m]."""
    return {joint.name: joint.home for joint in robot(name).joints}


def posed(name: str, q: Pose) -> mujoco.MjData:
    """Place MuJoCo's joints, those that follow others with them."""
    compiled = model(name)
    state = mujoco.MjData(compiled)
    for joint, position in q.items():
        state.joint(joint).qpos = position
    equalities = zip(compiled.eq_obj1id, compiled.eq_obj2id, compiled.eq_data, strict=True)
    for follower, leader, line in equalities:
        state.qpos[compiled.jnt_qposadr[follower]] = (
            line[0] + line[1] * state.qpos[compiled.jnt_qposadr[leader]]
        )
    mujoco.mj_forward(compiled, state)
    return state


def body_pose(state: mujoco.MjData, link: str) -> np.ndarray:
    """Return a body's pose in the world, (4, 4) [m]."""
    body = state.body(link)
    return homogeneous(Rotation.from_matrix(body.xmat.reshape(3, 3)), body.xpos)


def camera_pose(name: str, camera: Camera) -> np.ndarray:
    """Return the camera's optical frame at home in the root's frame, (4, 4) [m]."""
    urdf(name).update_cfg(home(name))
    return urdf(name).get_transform(camera.frame)


def view_of(name: str, camera: Camera, point: np.ndarray) -> np.ndarray:
    """Project a point (3,) [m] at home; inside (-1, 1) twice it is in the image."""
    x, y, z = (np.linalg.inv(camera_pose(name, camera)) @ [*point, 1.0])[:3]
    half = np.tan(np.radians(camera.fovy_deg) / 2)
    assert z > 0.0, "behind the camera"
    return np.array([x / (half * camera.width / camera.height), y / half]) / z


# --- kinematics --------------------------------------------------------------------------------


@every_robot
def test_every_link_is_where_the_vendors_figures_put_it(name: str) -> None:
    for q in random_poses(name, 10):
        urdf(name).update_cfg(q)
        for link, (root, expected) in table_poses(name, q).items():
            pose = urdf(name).get_transform(link, root)
            np.testing.assert_allclose(pose, expected, rtol=0.0, atol=1e-6, err_msg=link)


@every_robot
def test_mujoco_puts_every_link_where_the_vendors_figures_do(name: str) -> None:
    for q in random_poses(name, 10):
        state = posed(name, q)
        for link, (root, expected) in table_poses(name, q).items():
            pose = np.linalg.inv(body_pose(state, root)) @ body_pose(state, link)
            np.testing.assert_allclose(pose, expected, rtol=0.0, atol=1e-6, err_msg=link)


def modified_dh(angles: np.ndarray) -> np.ndarray:
    """Pose of the FR3's flange, (4, 4) [m].

    Source: Franka Robotics, FCI documentation, Denavit-Hartenberg parameters (Craig's convention).
    """
    a_m = (0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088, 0.0)
    d_m = (0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0, 0.107)
    alpha_rad = np.array([0, -1, 1, 1, -1, 1, 1, 0]) * np.pi / 2
    pose = np.eye(4)
    for angle, a, d, alpha in zip([*angles, 0.0], a_m, d_m, alpha_rad, strict=True):
        pose = pose @ homogeneous(Rotation.from_euler("x", alpha), np.array([a, 0.0, 0.0]))
        pose = pose @ homogeneous(Rotation.from_euler("z", angle), np.array([0.0, 0.0, d]))
    return pose


def test_the_flange_of_the_fr3_is_where_its_dh_table_puts_it() -> None:
    for q in random_poses("franka", 100):
        urdf("franka").update_cfg(q)
        angles = np.array([q[f"fr3_joint{i}"] for i in range(1, 8)])
        pose = urdf("franka").get_transform("fr3_link8", "fr3_link0")
        np.testing.assert_allclose(pose, modified_dh(angles), rtol=0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "base", "tip", "place_m", "tolerance_m"),
    [
        ("ur5e", "base_link", "tool0", (0.8172, 0.2329, 0.0628), 1e-6),
        ("franka", "fr3_link0", "fr3_link8", (0.088, 0.0, 0.926), 1e-6),
        # 0.05955 + 0.3 + 0.069744 + ... along x; 0.079 + 0.04805 + 0.3 up.
        ("trossen_bimanual", "follower_left/base_link", "follower_left/ee_gripper_link",
         (0.536494, 0.0, 0.42705), 1e-6),
        # 0.02 - 0.264 + 0.245 + 0.06575 + 0.02845 + 0.145 along x; 0.0603 + 0.0402 + 0.056 up. The
        # vendor's half turns have four digits, and the lever arms are 0.3 m.
        ("arx_bimanual", "left_base_link", "left_eef_link", (0.2402, 0.001, 0.1565), 1e-5),
        ("agilex_bimanual", "left_base_link", "left_link6", (0.0561, 0.0, 0.2132), 1e-4),
    ],
)  # fmt: skip
def test_at_zero_the_tool_is_where_a_sum_by_hand_puts_it(
    name: str, base: str, tip: str, place_m: tuple[float, ...], tolerance_m: float
) -> None:
    urdf(name).update_cfg(dict.fromkeys(free_joints(name), 0.0))
    pose = urdf(name).get_transform(tip, base)
    np.testing.assert_allclose(pose[:3, 3], place_m, atol=tolerance_m)


# --- limits and masses -------------------------------------------------------------------------


@every_robot
def test_limits_are_the_vendors(name: str) -> None:
    for joint, row in table(name)[0].items():
        if row["type"] == "fixed":
            continue
        limit = urdf(name).joint_map[joint].limit
        given = (limit.lower, limit.upper, limit.velocity, limit.effort)
        for value, expected in zip(given, row["limits"], strict=True):
            if expected is not None:  # an endless joint has no ends
                assert value == pytest.approx(expected, abs=1e-9), joint


@every_robot
def test_masses_are_the_vendors(name: str) -> None:
    given = {link: urdf(name).link_map[link].inertial.mass for link in table(name)[1]}
    assert given == pytest.approx(table(name)[1])


@every_robot
def test_the_yaml_stays_within_the_limits_of_the_urdf(name: str) -> None:
    for joint in robot(name).joints:
        ours = urdf(name).joint_map[joint.name]
        assert (ours.limit.lower, ours.limit.upper) == pytest.approx((joint.lower, joint.upper))
        assert joint.velocity <= ours.limit.velocity + 1e-9, joint.name
        assert ours.type == {"rad": "revolute", "m": "prismatic"}[joint.unit], joint.name
        assert ours.mimic is None, joint.name


@every_robot
def test_every_moving_link_turns_as_a_rigid_body_does(name: str) -> None:
    for joint in urdf(name).joint_map.values():
        if joint.type == "fixed":
            continue
        inertial = urdf(name).link_map[joint.child].inertial
        moments = np.linalg.eigvalsh(inertial.inertia)
        assert inertial.mass > 0.0, joint.child
        assert moments[0] > 0.0, joint.child
        assert moments[0] + moments[1] >= moments[2], joint.child


# --- home, cameras, names ----------------------------------------------------------------------


@every_robot
@pytest.mark.parametrize("closed", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_at_home_nothing_touches_anything(name: str, closed: float) -> None:
    q = home(name)
    for joint in robot(name).joints:
        if joint.gripper is not None:
            q[joint.name] = (1 - closed) * joint.gripper.open + closed * joint.gripper.closed
    compiled = model(name)
    touching = {
        tuple(compiled.body(compiled.geom_bodyid[geom]).name for geom in contact.geom)
        for contact in posed(name, q).contact
    }
    assert touching == set()


@every_robot
def test_at_home_the_grippers_are_open_above_the_table(name: str) -> None:
    urdf(name).update_cfg(home(name))
    for arm in robot(name).arms.values():
        tool = urdf(name).get_transform(arm.tool_link)
        assert tool[2, 3] > robot(name).scene.table.height + 0.1
    for joint in robot(name).joints:
        if joint.gripper is not None:
            assert joint.home == joint.gripper.open


@every_robot
def test_an_optical_frame_has_z_forward_x_right_and_y_down(name: str) -> None:
    forward, left, up = np.eye(3)
    for camera in robot(name).cameras:
        body = camera.frame.replace("_optical_frame", "_link")
        optical = urdf(name).get_transform(camera.frame, body)[:3, :3]
        np.testing.assert_allclose(optical.T, [-left, -up, forward], atol=1e-9)


@every_robot
def test_the_first_camera_sees_where_the_blocks_are_put(name: str) -> None:
    scene = robot(name).scene
    for x, y in itertools.product(scene.blocks_x, scene.blocks_y):
        place = view_of(name, robot(name).cameras[0], np.array([x, y, scene.table.height]))
        assert np.abs(place).max() < 1.0, (x, y)


@every_robot
def test_a_wrist_camera_sees_its_arms_tool_point_in_a_level_image(name: str) -> None:
    urdf(name).update_cfg(home(name))
    tools = [urdf(name).get_transform(arm.tool_link) for arm in robot(name).arms.values()]
    for camera, tool in zip(robot(name).cameras[1:], tools, strict=True):
        pose = camera_pose(name, camera)
        assert np.linalg.norm(tool[:3, 3] - pose[:3, 3]) < 0.4, f"{camera.name} is on another arm"
        assert np.abs(view_of(name, camera, tool[:3, 3])).max() < 0.75, camera.name
        assert abs(pose[2, 0]) < 0.02, f"the image of {camera.name} is not level"


@every_robot
def test_a_prefix_stands_before_every_name_but_world(name: str) -> None:
    def names(text: str) -> list[str]:
        tree = ElementTree.fromstring(text)
        return [element.get("name", "") for element in tree if element.tag in ("link", "joint")]

    plain, prefixed = names(expand(name)), names(expand(name, tf_prefix="cell_"))
    assert prefixed == [each if each == "world" else f"cell_{each}" for each in plain]


@every_robot
def test_another_description_than_own_and_vendor_is_refused(name: str) -> None:
    with pytest.raises(xacro.XacroException, match="description is 'theirs'; it must be own or ve"):
        expand(name, description="theirs")
