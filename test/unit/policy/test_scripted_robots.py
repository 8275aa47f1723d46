"""The scripted policy on every robot: it needs a camera, kinematics and nothing else of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import state_of
from pi0_ros.execution.chunk import action_kinds
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.instruction import COLORS
from pi0_ros.policy.scripted import ScriptedPolicy
from pi0_ros.simulation.cameras import SimCameras
from pi0_ros.simulation.robot import SimRobot
from pi0_ros.simulation.task import REACHED_M, reach_goal

SEED = 4  # no block of it is so far from its arm that the robot's joints do not reach


@pytest.fixture(scope="module", params=known_embodiments())
def machine(request: pytest.FixtureRequest) -> Embodiment:
    return load_embodiment(request.param)


@pytest.fixture(scope="module")
def scene(machine: Embodiment) -> Iterator[tuple[SimRobot, np.ndarray]]:
    """The robot at home, and what its first camera sees of it."""
    robot = SimRobot(machine, 0.002)
    robot.reset(np.random.default_rng(SEED))
    cameras = SimCameras(robot.model, machine.cameras[0].width, machine.cameras[0].height)
    cameras.place(robot.data.qpos)
    yield robot, cameras.image(machine.cameras[0].name)
    cameras.close()


def test_a_robot_that_stands_askew_is_asked_for_nothing_that_it_cannot_do(
    machine: Embodiment, scene: tuple[SimRobot, np.ndarray]
) -> None:
    _, image = scene
    policy = ScriptedPolicy(machine, load_urdf(machine))
    limits = [(joint.lower, joint.upper, joint.velocity) for joint in machine.joints]
    lower, upper, velocity = np.transpose(limits)
    for arm in machine.arms:
        moving = [machine.joint_names.index(name) for name in machine.arms[arm].joints]
        askew = np.array(machine.home)
        askew[moving] = np.clip(askew + 0.2, lower, upper)[moving]
        seen = Observation(
            {machine.cameras[0].name: image}, state_of(machine, askew), f"{arm} arm reach red", 0
        )
        joints = policy.plan(seen).actions[:, machine.joint_columns]
        assert (joints >= lower).all()
        assert (joints <= upper).all()
        fastest = np.abs(np.diff(joints, axis=0)).max(axis=0) / (machine.policy.period_ns / 1e9)
        assert (fastest <= velocity * (1 + 1e-9)).all(), arm


@pytest.mark.parametrize("color", COLORS)
def test_every_arm_plans_to_every_block_and_a_base_stands_still(
    machine: Embodiment, scene: tuple[SimRobot, np.ndarray], color: str
) -> None:
    robot, image = scene
    policy = ScriptedPolicy(machine, load_urdf(machine))
    for arm in machine.arms:
        prompt, joints = f"{arm} arm reach the {color} block", machine.home
        for _ in range(round(12 * machine.policy.rate_hz / machine.policy.horizon)):  # 12 s
            seen = Observation(
                {machine.cameras[0].name: image}, state_of(machine, joints), prompt, 0
            )
            chunk = policy.plan(seen, None)
            joints = chunk.actions[-1, machine.joint_columns]
        assert (chunk.names, chunk.kinds) == (machine.axis_names, action_kinds(machine))
        assert not chunk.actions[:, machine.by_velocity].any()
        unseen = [machine.index(j.name) for j in machine.joints if not j.observed]
        at_home = [j.home for j in machine.joints if not j.observed]
        np.testing.assert_array_equal(chunk.actions[:, unseen], np.tile(at_home, (50, 1)))
        reached = policy._chains[arm].position(joints)
        assert np.linalg.norm(reached - reach_goal(robot.block(color))) < REACHED_M / 2, arm
