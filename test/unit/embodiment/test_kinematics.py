from __future__ import annotations

import io

import numpy as np
import pytest
import yourdfpy
from scipy.spatial.transform import Rotation

from pi0_ros.embodiment.kinematics import Chain, turned
from pi0_ros.embodiment.spec import Embodiment

TIPS = ("left_tool_point", "right_tool_point", "right_wrist_camera_optical_frame")
# world -> fixed 1 m up -> slide along x -> turn about z -> tool 2 m ahead
CRANE = """<robot name="crane">
  <link name="world"/><link name="mast"/><link name="sled"/><link name="boom"/><link name="tool"/>
  <joint name="up" type="fixed"><parent link="world"/><child link="mast"/>
    <origin xyz="0 0 1"/></joint>
  <joint name="slide" type="prismatic"><parent link="mast"/><child link="sled"/><axis xyz="1 0 0"/>
    <limit lower="0" upper="5" velocity="1" effort="1"/></joint>
  <joint name="turn" type="continuous"><parent link="sled"/><child link="boom"/>
    <axis xyz="0 0 1"/></joint>
  <joint name="ahead" type="fixed"><parent link="boom"/><child link="tool"/>
    <origin xyz="2 0 0"/></joint>
</robot>"""


@pytest.fixture(scope="module")
def chains(embodiment: Embodiment, urdf: str) -> dict[str, Chain]:
    return {tip: Chain(urdf, tip, embodiment.joint_names) for tip in TIPS}


def crane() -> Chain:
    return Chain(CRANE, "tool", ["turn", "elsewhere", "slide"])


def random_poses(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, (count, 14))


def test_a_crane_reaches_where_one_computes_it_in_the_head() -> None:
    np.testing.assert_allclose(crane().position(np.array([0.0, 9.0, 3.0])), [5, 0, 1])
    np.testing.assert_allclose(crane().position(np.array([np.pi / 2, 9.0, 3.0])), [3, 2, 1])


def test_a_cranes_jacobian_is_the_one_that_one_computes_in_the_head() -> None:
    expected = np.zeros((6, 3))
    expected[:, 0] = [0, 2, 0, 0, 0, 1]  # the turn moves the tool sideways and turns it about z
    expected[:, 2] = [1, 0, 0, 0, 0, 0]  # the slide moves it ahead
    np.testing.assert_allclose(crane().jacobian(np.zeros(3)), expected, atol=1e-12)


def test_a_crane_goes_along_a_path_that_one_computes_in_the_head() -> None:
    path = np.array([[0.0, 9.0, 3.0], [np.pi / 2, 9.0, 3.0], [np.pi, 0.0, 0.0]])
    np.testing.assert_allclose(
        crane().positions(path), [[5, 0, 1], [3, 2, 1], [-2, 0, 1]], atol=1e-12
    )


def test_no_poses_have_no_positions() -> None:
    assert crane().positions(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("tip", TIPS)
def test_positions_of_many_poses_are_those_of_each(chains: dict[str, Chain], tip: str) -> None:
    poses = random_poses(50, seed=3)
    expected = [chains[tip].position(q) for q in poses]
    np.testing.assert_allclose(chains[tip].positions(poses), expected, rtol=0, atol=1e-12)


def test_a_chain_knows_its_root() -> None:
    assert crane().root == "world"


def test_joints_that_are_not_named_stand_at_zero() -> None:
    chain = Chain(CRANE, "tool", ["slide"])
    np.testing.assert_allclose(chain.position(np.array([1.0])), [3, 0, 1])


def test_the_root_is_where_it_is() -> None:
    chain = Chain(CRANE, "world", ["slide"])
    np.testing.assert_array_equal(chain.pose(np.array([1.0])), np.eye(4))
    np.testing.assert_array_equal(chain.jacobian(np.array([1.0])), np.zeros((6, 1)))


def test_a_link_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="link 'tol' is not in the URDF; it has world, mast, sled"):
        Chain(CRANE, "tol", ["slide"])


@pytest.mark.parametrize("tip", TIPS)
def test_poses_agree_with_yourdfpy(
    chains: dict[str, Chain], embodiment: Embodiment, urdf: str, tip: str
) -> None:
    model = yourdfpy.URDF.load(io.StringIO(urdf), load_meshes=False)
    for q in random_poses(10, seed=1):
        model.update_cfg(dict(zip(embodiment.joint_names, q, strict=True)))
        expected = model.get_transform(tip, "world")
        np.testing.assert_allclose(chains[tip].pose(q), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("tip", TIPS)
def test_the_jacobian_agrees_with_finite_differences(chains: dict[str, Chain], tip: str) -> None:
    chain, step = chains[tip], 1e-6
    for q in random_poses(10, seed=2):
        jacobian = chain.jacobian(q)
        for column in range(14):
            offset = np.zeros(14)
            offset[column] = step
            before, after = chain.pose(q - offset), chain.pose(q + offset)
            turn = Rotation.from_matrix(after[:3, :3] @ before[:3, :3].T).as_rotvec()
            difference = np.concatenate([after[:3, 3] - before[:3, 3], turn]) / (2 * step)
            np.testing.assert_allclose(jacobian[:, column], difference, rtol=0, atol=1e-7)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_other_arms_joints_have_no_part_in_the_jacobian(
    chains: dict[str, Chain], embodiment: Embodiment, side: str
) -> None:
    jacobian = chains[f"{side}_tool_point"].jacobian(embodiment.home)
    moving = [embodiment.index(name) for name in embodiment.arms[side].joints]
    assert np.flatnonzero(np.abs(jacobian).max(axis=0)).tolist() == moving


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("x", "y"), [(0.32, -0.16), (0.32, 0.16), (0.50, -0.16), (0.50, 0.16)])
@pytest.mark.parametrize("z", [0.06, 0.2])
def test_the_whole_working_area_is_reached_from_home(
    chains: dict[str, Chain], embodiment: Embodiment, side: str, x: float, y: float, z: float
) -> None:
    chain = chains[f"{side}_tool_point"]
    down = chain.pose(embodiment.home)[:3, :3]
    q, error = chain.reach(np.array([x, y, z]), down, embodiment.home)
    assert error < 1e-4
    pose = chain.pose(q)
    np.testing.assert_allclose(pose[:3, 3], [x, y, z], rtol=0, atol=1e-4)
    np.testing.assert_allclose(pose[:3, :3], down, rtol=0, atol=1e-4)


def test_reaching_moves_the_joints_of_the_chain_only(
    chains: dict[str, Chain], embodiment: Embodiment
) -> None:
    chain = chains["left_tool_point"]
    down = chain.pose(embodiment.home)[:3, :3]
    q, _ = chain.reach(np.array([0.4, 0.1, 0.1]), down, embodiment.home)
    others = [
        i for i in range(14) if embodiment.joint_names[i] not in embodiment.arms["left"].joints
    ]
    np.testing.assert_array_equal(q[others], embodiment.home[others])


def test_a_lift_under_an_arm_stays_where_only_the_arm_may_move() -> None:
    chain, start = crane(), np.array([0.0, 0.0, 1.0])
    facing = Rotation.from_euler("z", 0.5).as_matrix()
    ahead = np.array([1.0 + 2 * np.cos(0.5), 2 * np.sin(0.5), 1.0])
    q, error = chain.reach(ahead, facing, start, moving=[0])
    np.testing.assert_allclose(q, [0.5, 0.0, 1.0], atol=1e-4)
    assert error < 1e-4
    q, error = chain.reach(ahead + np.array([0.3, 0.0, 0.0]), facing, start, moving=[0])
    assert q[2] == 1.0
    assert error > 0.1


def test_a_place_out_of_reach_keeps_its_error(
    chains: dict[str, Chain], embodiment: Embodiment
) -> None:
    chain = chains["left_tool_point"]
    _, error = chain.reach(np.array([3.0, 0.0, 0.0]), np.eye(3), embodiment.home)
    assert error > 1.0


@pytest.mark.parametrize(
    ("share", "most", "angle"), [(1.0, 1.0, 0.4), (0.5, 1.0, 0.2), (0.5, 0.1, 0.1)]
)
def test_a_rotation_turns_a_share_of_the_way_and_no_farther_than_it_may(
    share: float, most: float, angle: float
) -> None:
    start, wanted = Rotation.from_euler("x", 0.3), Rotation.from_euler("x", 0.7)
    made = turned(start.as_matrix(), wanted.as_matrix(), share, most)
    np.testing.assert_allclose(made, Rotation.from_euler("x", 0.3 + angle).as_matrix(), atol=1e-12)


def test_a_rotation_that_is_there_stays() -> None:
    there = Rotation.from_euler("xyz", [0.1, 0.2, 0.3]).as_matrix()
    np.testing.assert_allclose(turned(there, there, 0.5, 0.1), there, atol=1e-12)
