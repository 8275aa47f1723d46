"""What holds for the simulation of each robot, whatever its arms, grippers, lift and base."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import mujoco
import numpy as np
import pytest

from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.simulation.robot import SimRobot

CYCLE_S = 0.002


@pytest.fixture(params=known_embodiments())
def robot(request: pytest.FixtureRequest, robot_of: Callable[[str], SimRobot]) -> SimRobot:
    return robot_of(request.param)


@pytest.fixture
def weightless(robot: SimRobot) -> Iterator[SimRobot]:
    """The same without gravity, until the test switches it on."""
    gravity = np.array(robot.model.opt.gravity)
    robot.model.opt.gravity[:] = 0.0
    yield robot
    robot.model.opt.gravity[:] = gravity


def run(robot: SimRobot, seconds: float) -> np.ndarray:
    """Simulate, and return the positions of each cycle, (N, J)."""
    path = []
    for _ in range(round(seconds / CYCLE_S)):
        robot.step()
        path.append(robot.positions)
    return np.array(path)


def step_of(joint: Joint) -> float:
    """A small step [rad or m], away from the nearer limit."""
    size = min(0.1, (joint.upper - joint.lower) / 3)
    return size if joint.upper - joint.home > joint.home - joint.lower else -size


def move(robot: SimRobot, joint: str, target: float) -> int:
    """Command one joint; return its column."""
    column = robot.embodiment.joint_names.index(joint)
    command = robot.command
    command[column] = target
    robot.command = command
    return column


def grippers(robot: SimRobot) -> list[Joint]:
    return [joint for joint in robot.embodiment.joints if joint.gripper is not None]


def test_at_home_it_stays(robot: SimRobot) -> None:
    np.testing.assert_allclose(run(robot, 1.0)[-1], robot.embodiment.home, atol=1e-3)
    if robot.base is not None:
        np.testing.assert_allclose(robot.base.pose, 0.0, atol=1e-4)


def test_each_joint_follows_a_step_without_swinging_and_moves_no_other(robot: SimRobot) -> None:
    for joint in robot.embodiment.joints:
        robot.reset(np.random.default_rng(0))
        step = step_of(joint)
        column = move(robot, joint.name, joint.home + step)
        way = run(robot, 1.0) - robot.embodiment.home
        assert (way[:, column] / step).max() < 1.1, f"{joint.name} overshoots"
        np.testing.assert_allclose(way[-1, column], step, atol=1e-3, err_msg=joint.name)
        np.testing.assert_allclose(np.delete(way[-1], column), 0.0, atol=2e-3)


def test_an_arm_or_lift_trails_a_moving_target_by_25_ms(robot: SimRobot) -> None:
    for joint in robot.embodiment.joints:
        if joint.gripper is not None:
            continue
        robot.reset(np.random.default_rng(0))
        speed = np.sign(step_of(joint)) * (0.2 if joint.unit == "rad" else 0.1)
        for cycle in range(200):
            column = move(robot, joint.name, joint.home + speed * CYCLE_S * cycle)
            robot.step()
        behind_s = (robot.command - robot.positions)[column] / speed
        assert 0.020 < behind_s < 0.030, joint.name


def test_a_target_that_jumps_moves_a_joint_at_no_more_than_its_top_speed(robot: SimRobot) -> None:
    joint = robot.embodiment.joints[0]
    column = move(robot, joint.name, joint.upper)
    speeds = np.abs(np.diff(run(robot, 0.4)[:, column])) / CYCLE_S
    assert joint.velocity < speeds.max() < 1.6 * joint.velocity


def test_the_grippers_close_and_open(robot: SimRobot) -> None:
    for joint in grippers(robot):
        assert joint.gripper is not None
        for end in (joint.gripper.closed, joint.gripper.open):
            goal = float(np.clip(end, joint.lower, joint.upper))
            column = move(robot, joint.name, goal)
            reached = run(robot, 1.5)[-1, column]
            assert abs(reached - goal) < 0.01 * (joint.upper - joint.lower), joint.name


def test_a_gripper_holds_a_block_that_its_arm_swings(weightless: SimRobot) -> None:
    """The block appears between the open fingers; gravity starts when they have closed."""
    robot, embodiment = weightless, weightless.embodiment
    arm, gripper = next(iter(embodiment.arms.values())), grippers(weightless)[0]
    tool = robot.data.body(arm.tool_link)
    start = robot.model.joint("red_block").qposadr[0]
    robot.data.qpos[start : start + 7] = [*tool.xpos, *tool.xquat]
    assert gripper.gripper is not None
    move(robot, gripper.name, float(np.clip(gripper.gripper.closed, gripper.lower, gripper.upper)))
    run(robot, 1.5)
    robot.model.opt.gravity[2] = -9.81
    joint = embodiment.joints[embodiment.joint_names.index(arm.joints[0])]
    for share in np.linspace(0.0, 1.0, 250):
        move(robot, joint.name, joint.home + 3 * share * step_of(joint))
        robot.step()
    run(robot, 0.5)
    np.testing.assert_allclose(robot.block("red"), tool.xpos, atol=5e-3)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_targets_within_the_limits_it_never_diverges(robot: SimRobot, seed: int) -> None:
    """Arms may hit each other, the table and the blocks."""
    random = np.random.default_rng(seed)
    joints = robot.embodiment.joints
    firm = [joint.gripper is None for joint in joints]
    limits = np.array([joint.velocity for joint in joints])
    for _ in range(8):
        robot.command = random.uniform([j.lower for j in joints], [j.upper for j in joints])
        robot.drive(random.uniform(-1.0, 1.0, 3))
        speeds = np.abs(np.diff(run(robot, 0.4), axis=0)) / CYCLE_S
        assert np.isfinite(speeds).all()
        assert (speeds < 10 * limits)[:, firm].all(), "collisions throw no joint far"
    assert not robot.data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number


def test_a_control_cycle_takes_a_small_part_of_its_2_ms(robot: SimRobot) -> None:
    instants = []
    for _ in range(300):
        robot.step()
        robot.joint_state()
        instants.append(time.perf_counter())
    assert np.median([after - before for before, after in pairwise(instants)]) < 0.001


def test_all_that_moves_and_follows_nothing_is_told_the_models_joints_first(
    robot: SimRobot,
) -> None:
    names = robot.embodiment.joint_names
    assert robot.movable[: len(names)] == names
    assert len(set(robot.movable)) == len(robot.movable)
    assert not [name for name in robot.movable if name.startswith(("base_", "red_", "blue_"))]
    for values in robot.joint_state():
        assert values.shape == (len(robot.movable),)


def test_the_blocks_lie_on_the_table_within_reach_of_an_arm(robot: SimRobot) -> None:
    scene, model = robot.embodiment.scene, robot.model
    before = {color: robot.block(color) for color in ("red", "blue")}
    run(robot, 1.0)
    for color, place in before.items():
        assert place[2] == pytest.approx(scene.table.height + 0.025)
        np.testing.assert_allclose(robot.block(color), place, atol=1e-3)
    assert {model.camera(i).name for i in range(model.ncam)} == {
        "overview", *(camera.name for camera in robot.embodiment.cameras)
    }  # fmt: skip
