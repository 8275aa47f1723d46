from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.simulation.robot import SimRobot
from pi0_ros.simulation.scene import build_model

MOBILE = ("trossen_mobile", "arx_mobile", "fibocom_mobile")
HOLONOMIC = "fibocom_mobile"
DIFFERENTIAL = "trossen_mobile"

RobotOf = Callable[[str], SimRobot]


@pytest.fixture(scope="module")
def robot_of() -> RobotOf:
    """Return the robot of a name at home on an open floor: the table is 10 m away."""

    @cache
    def compiled(name: str) -> SimRobot:
        robot = load_embodiment(name, simulation=True)
        table = robot.scene.table.model_copy(update={"center": (10.0, 0.0)})
        away = robot.scene.model_copy(update={"table": table, "blocks_x": (9.8, 10.2)})
        return SimRobot(robot.model_copy(update={"scene": away}), 0.002)

    def at_home(name: str) -> SimRobot:
        compiled(name).reset(np.random.default_rng(0))
        return compiled(name)

    return at_home


def drive(robot: SimRobot, twist: tuple[float, float, float], seconds: float) -> np.ndarray:
    """Drive for a time and return the poses of all cycles, (N, 3)."""
    assert robot.base is not None
    robot.drive(np.array(twist))
    poses = []
    for _ in range(round(seconds / 0.002)):
        robot.step()
        poses.append(robot.base.pose)
    return np.array(poses)


@pytest.mark.parametrize("name", MOBILE)
def test_a_second_at_0_3_m_s_is_0_3_m(robot_of: RobotOf, name: str) -> None:
    pose = drive(robot_of(name), (0.3, 0.0, 0.0), 1.0)[-1]
    np.testing.assert_allclose(pose, [0.3, 0.0, 0.0], atol=1e-3)


@pytest.mark.parametrize("name", MOBILE)
def test_two_seconds_at_minus_half_a_rad_s_are_minus_one_rad(robot_of: RobotOf, name: str) -> None:
    pose = drive(robot_of(name), (0.0, 0.0, -0.5), 2.0)[-1]
    np.testing.assert_allclose(pose, [0.0, 0.0, -1.0], atol=2e-3)


@pytest.mark.parametrize("name", MOBILE)
def test_forward_and_turning_is_the_circle_of_that_radius(robot_of: RobotOf, name: str) -> None:
    # 0.4 m/s and 0.5 rad/s for pi s: a quarter of the circle of 0.8 m to the left
    pose = drive(robot_of(name), (0.4, 0.0, 0.5), np.pi)[-1]
    np.testing.assert_allclose(pose, [0.8, 0.8, np.pi / 2], atol=5e-3)


def test_forward_is_where_the_base_looks_to(robot_of: RobotOf) -> None:
    robot = robot_of(HOLONOMIC)
    drive(robot, (0.0, 0.0, np.pi / 2), 1.0)
    drive(robot, (0.0, 0.0, 0.0), 0.5)
    pose = drive(robot, (0.2, 0.1, 0.0), 1.0)[-1]
    np.testing.assert_allclose(pose, [-0.1, 0.2, np.pi / 2], atol=5e-3)


def test_a_differential_base_never_moves_sideways(robot_of: RobotOf) -> None:
    poses = drive(robot_of(DIFFERENTIAL), (0.0, 0.5, 0.0), 1.0)
    np.testing.assert_allclose(poses, 0.0, atol=1e-4)


@pytest.mark.parametrize("name", MOBILE)
def test_it_stands_still_while_its_arms_move(robot_of: RobotOf, name: str) -> None:
    robot = robot_of(name)
    arm = [robot.embodiment.joint_names.index(joint)
           for joint in robot.embodiment.arms["left"].joints]  # fmt: skip
    command = robot.embodiment.home
    for swing in (0.3, -0.3, 0.0):
        command[arm[0]] = robot.embodiment.home[arm[0]] + swing
        robot.command = command
        poses = drive(robot, (0.0, 0.0, 0.0), 1.0)
        assert np.abs(poses).max() < 0.01
    np.testing.assert_allclose(poses[-1], 0.0, atol=1e-4)


@pytest.mark.parametrize("name", MOBILE)
def test_the_arms_keep_their_pose_on_a_driving_base(robot_of: RobotOf, name: str) -> None:
    robot = robot_of(name)
    drive(robot, (0.3, 0.0, 0.4), 1.0)
    np.testing.assert_allclose(robot.positions, robot.embodiment.home, atol=5e-3)


def test_what_it_measures_is_in_its_own_frame(robot_of: RobotOf) -> None:
    robot = robot_of(HOLONOMIC)
    assert robot.base is not None
    drive(robot, (0.2, -0.1, 0.8), 2.0)
    np.testing.assert_allclose(robot.base.velocity, [0.2, -0.1, 0.8], atol=5e-3)


def test_against_an_obstacle_it_slips_and_drives_on_at_once_when_turned_back(
    robot_of: RobotOf,
) -> None:
    robot = robot_of(DIFFERENTIAL)
    assert robot.base is not None
    tight = np.array(robot.model.actuator_forcerange)
    robot.model.actuator_forcerange[robot.model.actuator("base_x").id] = 0.0  # nothing moves it
    drive(robot, (1.0, 0.0, 0.0), 3.0)
    ahead = robot.base.reference[0] - robot.base.pose[0]
    robot.model.actuator_forcerange[:] = tight
    assert abs(ahead) <= 0.1 + 1e-9
    assert abs(drive(robot, (0.0, 0.0, 0.0), 1.0)[-1, 0]) < 0.11


@pytest.mark.parametrize("name", ["trossen_mobile", "arx_mobile"])
def test_the_wheels_roll_as_far_as_the_base_drives(robot_of: RobotOf, name: str) -> None:
    robot = robot_of(name)
    wheels = [robot.movable.index(f"{side}_wheel") for side in ("left", "right")]
    radius = robot.data.xanchor[robot.model.joint("left_wheel").id][2]
    drive(robot, (0.3, 0.0, 0.0), 1.0)
    rolled = robot.joint_state()[0][wheels]
    np.testing.assert_allclose(rolled * radius, 0.3, rtol=0.01)
    drive(robot, (0.0, 0.0, 0.0), 0.5)
    before = robot.joint_state()[0][wheels]
    drive(robot, (0.0, 0.0, 0.5), 1.0)
    left, right = robot.joint_state()[0][wheels] - before
    assert left < 0 < right, "turning left, the left wheel rolls back"
    assert left == pytest.approx(-right, rel=0.01)


def test_reset_puts_it_back(robot_of: RobotOf) -> None:
    robot = robot_of(DIFFERENTIAL)
    assert robot.base is not None
    drive(robot, (0.5, 0.0, 0.5), 1.0)
    robot.reset(np.random.default_rng(0))
    np.testing.assert_array_equal(robot.base.pose, 0.0)
    np.testing.assert_array_equal(robot.base.velocity, 0.0)
    for _ in range(100):
        robot.step()
    np.testing.assert_allclose(robot.base.pose, 0.0, atol=1e-6)


def test_a_base_that_is_not_the_root_is_refused() -> None:
    robot = load_embodiment(DIFFERENTIAL, simulation=True)
    assert robot.base is not None
    wrong = robot.base.model_copy(update={"frame": "base_link"})
    with pytest.raises(ValueError, match=r"base\.frame of trossen_mobile is 'base_link'; it must"):
        build_model(robot.model_copy(update={"base": wrong}), 0.002)
