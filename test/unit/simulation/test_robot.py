from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.robot import SimRobot

KNUCKLE = "left_robotiq_85_left_knuckle_joint"


def places(robot: SimRobot) -> np.ndarray:
    return np.array([robot.block("red"), robot.block("blue")])


def run(robot: SimRobot, seconds: float) -> None:
    for _ in range(round(seconds / robot.model.opt.timestep)):
        robot.step()


def test_it_stands_at_home_and_wants_to_stay_there(robot: SimRobot, embodiment: Embodiment) -> None:
    np.testing.assert_array_equal(robot.positions, embodiment.home)
    np.testing.assert_array_equal(robot.command, embodiment.home)
    np.testing.assert_array_equal(robot.velocities, np.zeros(14))


def test_at_home_it_stays_where_it_is(robot: SimRobot, embodiment: Embodiment) -> None:
    run(robot, 1.0)
    np.testing.assert_allclose(robot.positions, embodiment.home, atol=1e-3)


def test_reset_forgets_motion_and_command(robot: SimRobot, embodiment: Embodiment) -> None:
    robot.command = embodiment.home + 0.3
    run(robot, 0.2)
    robot.reset(np.random.default_rng(0))
    np.testing.assert_array_equal(robot.positions, embodiment.home)
    np.testing.assert_array_equal(robot.velocities, np.zeros(14))
    np.testing.assert_array_equal(robot.command, embodiment.home)


def test_the_same_seed_puts_the_blocks_at_the_same_places(robot: SimRobot) -> None:
    first = places(robot)
    robot.reset(np.random.default_rng(1))
    assert np.abs(places(robot) - first).max() > 0.01
    robot.reset(np.random.default_rng(0))
    np.testing.assert_array_equal(places(robot), first)


def test_blocks_lie_in_the_working_area_and_keep_their_distance(robot: SimRobot) -> None:
    for seed in range(100):
        robot.reset(np.random.default_rng(seed))
        red, blue = places(robot)
        assert np.linalg.norm(red - blue) >= 0.13
        for x, y, z in (red, blue):
            assert 0.32 <= x <= 0.50
            assert -0.16 <= y <= 0.16
            assert z == 0.025


def test_the_servos_reach_their_targets(robot: SimRobot, embodiment: Embodiment) -> None:
    target = embodiment.home + 0.1
    robot.command = target
    run(robot, 3.0)
    np.testing.assert_allclose(robot.positions, target, atol=2e-3)
    np.testing.assert_allclose(robot.velocities, 0.0, atol=0.05)


def test_positions_are_in_the_order_of_the_robots_yaml(
    robot: SimRobot, embodiment: Embodiment
) -> None:
    elbow = embodiment.index("right_elbow_joint")
    robot.command = embodiment.home + 0.2 * np.eye(14)[elbow]
    run(robot, 1.0)
    moved = robot.positions - embodiment.home
    assert moved[elbow] == pytest.approx(0.2, abs=5e-3)
    assert np.abs(np.delete(moved, elbow)).max() < 5e-3


@pytest.mark.parametrize("knuckle_rad", [0.0, 0.7929])
def test_a_gripper_opens_and_closes_fully_with_all_its_fingers(
    robot: SimRobot, embodiment: Embodiment, knuckle_rad: float
) -> None:
    place = embodiment.index(KNUCKLE)
    command = embodiment.home
    command[place] = 0.4
    robot.command = command
    run(robot, 1.0)
    command[place] = knuckle_rad
    robot.command = command
    run(robot, 2.0)
    assert robot.positions[place] == pytest.approx(knuckle_rad, abs=0.02)
    for name, factor in (("right_knuckle", -1), ("left_inner_knuckle", 1),
                         ("right_inner_knuckle", -1), ("left_finger_tip", -1),
                         ("right_finger_tip", 1)):  # fmt: skip
        follower = robot.data.joint(f"left_robotiq_85_{name}_joint").qpos[0]
        assert follower == pytest.approx(factor * robot.positions[place], abs=0.02), name


def test_reset_puts_the_fingers_where_the_knuckle_is(
    robot: SimRobot, embodiment: Embodiment
) -> None:
    closed = embodiment.joints[embodiment.index(KNUCKLE)].model_copy(update={"home": 0.5})
    joints = tuple(closed if joint.name == KNUCKLE else joint for joint in embodiment.joints)
    half_closed = SimRobot(embodiment.model_copy(update={"joints": joints}), 0.002)
    assert half_closed.data.joint("left_robotiq_85_left_finger_tip_joint").qpos[0] == -0.5
    assert half_closed.data.joint("left_robotiq_85_right_finger_tip_joint").qpos[0] == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_at_home_only_the_blocks_touch_the_table(robot: SimRobot, seed: int) -> None:
    robot.reset(np.random.default_rng(seed))
    model = robot.model
    touching = {
        frozenset(model.body(model.geom_bodyid[geom]).name for geom in contact.geom)
        for contact in robot.data.contact
    }
    assert touching == {frozenset({"world", "red_block"}), frozenset({"world", "blue_block"})}


def test_a_block_that_is_left_alone_stays(robot: SimRobot) -> None:
    before = places(robot)
    run(robot, 1.0)
    np.testing.assert_allclose(places(robot), before, atol=1e-3)


def test_holding_a_pose_takes_hardly_any_effort(robot: SimRobot) -> None:
    run(robot, 0.5)
    assert np.abs(robot.joint_state()[2]).max() < 1.0


def test_what_is_read_is_a_copy(robot: SimRobot) -> None:
    for values in (robot.positions, robot.velocities, robot.command, robot.block("red")):
        values += 1.0
    assert robot.block("red")[2] == 0.025
    assert robot.velocities[0] == 0.0


def test_a_long_control_cycle_is_simulated_in_steps_of_2_ms(embodiment: Embodiment) -> None:
    slow, fast = SimRobot(embodiment, 0.01), SimRobot(embodiment, 0.002)
    assert slow.model.opt.timestep == pytest.approx(0.002)
    slow.command = fast.command = embodiment.home + 0.02
    run(fast, 0.01)
    slow.step()
    assert slow.data.time == pytest.approx(0.01)
    np.testing.assert_allclose(slow.positions, fast.positions, atol=1e-3)
