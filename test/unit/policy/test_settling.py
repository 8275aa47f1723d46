"""The numbers of these tests: one joint [rad] that is still within 0.02; 5 actions look ahead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.policy.settling import Settling


@pytest.fixture
def one(robot):
    return robot(joints=1)


@pytest.fixture
def mobile(robot):
    """The same on a base of at most 0.5 m/s and 1 rad/s."""
    axes = [
        dict(name="base_x", index=1, direction="x", velocity=0.5, acceleration=1),
        dict(name="base_yaw", index=2, direction="yaw", velocity=1, acceleration=2),
    ]
    arm = dict(name="c", type="joint_trajectory", topic="c", rate_hz=100, joints=["joint_0"])
    wheels = dict(name="w", type="twist", topic="v", rate_hz=10, joints=["base_x", "base_yaw"])
    return robot(
        joints=1,
        paddings={"own": 3},
        base=dict(frame="b", timeout_ms=300, axes=axes),
        controllers=[arm, wheels],
    )


def chunk(robot, actions: Sequence[Sequence[float]]) -> ActionChunk:
    return ActionChunk(robot.axis_names, action_kinds(robot), np.array(actions), 0, 50_000_000)


def ramp(robot, begin: float, per_action: float) -> ActionChunk:
    return chunk(robot, [(begin + per_action * i,) for i in range(10)])


def test_a_plan_that_stands_settles_by_the_actions_executed(one) -> None:
    settling, plan = Settling(one, execute=5), ramp(one, 1.0, 0.0)
    assert settling.take(plan, 0.0, 100.0) == 0
    assert settling.take(plan, 3.0, 103.0) == 3
    assert settling.take(plan, 3.0, 103.0) == 3  # held, time alone does not settle it


def test_a_plan_that_moves_does_not(one) -> None:
    settling, plan = Settling(one, execute=5), ramp(one, 1.0, 0.01)  # 0.05 within the look ahead
    assert [settling.take(plan, i, i) for i in (0.0, 2.0, 4.0)] == [0, 0, 0]


def test_what_is_executed_next_counts_and_what_the_next_plan_replaces_does_not(one) -> None:
    late = chunk(one, [(0.0,)] * 6 + [(1.0,)] * 4)
    settling = Settling(one, execute=5)
    settling.take(late, 0.0, 0.0)
    assert settling.take(late, 0.9, 0.9) == pytest.approx(0.9)  # up to action 5
    assert settling.take(late, 1.0, 1.0) == 0  # action 6 moves


def test_plans_that_differ_little_settle_and_a_drift_over_all_of_them_does_not(one) -> None:
    settling = Settling(one, execute=5)
    for executed, place in ((0.0, 1.0), (5.0, 1.019), (10.0, 1.005)):
        settled = settling.take(ramp(one, place, 0.0), 0.0, executed)
    assert settled == 10
    assert settling.take(ramp(one, 1.021, 0.0), 0.0, 15.0) == 0  # 0.021 from the first
    assert settling.take(ramp(one, 1.021, 0.0), 0.0, 20.0) == 5


def test_all_plans_since_count_not_the_first_and_the_newest_alone(one) -> None:
    settling = Settling(one, execute=5)
    settling.take(ramp(one, 1.0, 0.0), 0.0, 0.0)
    assert settling.take(ramp(one, 1.015, 0.0), 0.0, 5.0) == 5
    assert settling.take(ramp(one, 0.99, 0.0), 0.0, 10.0) == 0  # 0.025 below the second


def test_it_starts_anew_after_motion(one) -> None:
    settling = Settling(one, execute=5)
    settling.take(ramp(one, 1.0, 0.0), 0.0, 0.0)
    assert settling.take(ramp(one, 1.0, 0.0), 5.0, 5.0) == 5
    assert settling.take(ramp(one, 1.0, 0.1), 0.0, 6.0) == 0
    assert settling.take(ramp(one, 1.5, 0.0), 0.0, 10.0) == 0
    assert settling.take(ramp(one, 1.5, 0.0), 4.0, 14.0) == 4


def test_a_plan_far_from_the_measured_pose_settles_as_a_gripper_around_an_object_does(one) -> None:
    settling, closed = Settling(one, execute=5), ramp(one, 0.8, 0.0)
    settling.take(closed, 0.0, 0.0)
    assert settling.take(closed, 9.0, 9.0) == 9


@pytest.mark.parametrize(
    ("forward", "turning", "settled"),
    [(0.01, -0.02, 4), (0.011, 0.0, 0), (0.0, -0.021, 0)],  # 2 % of 0.5 m/s and of 1 rad/s
)
def test_a_base_stands_below_a_share_of_its_speed(mobile, forward, turning, settled) -> None:
    settling = Settling(mobile, execute=5)
    plan = chunk(mobile, [(0.0, forward, turning)] * 10)
    settling.take(plan, 0.0, 0.0)
    assert settling.take(plan, 4.0, 4.0) == settled


def test_a_place_beyond_the_last_action_is_the_last_action(one) -> None:
    settling, plan = Settling(one, execute=5), ramp(one, 1.0, 0.0)
    settling.take(plan, 9.0, 9.0)
    assert settling.take(plan, 12.5, 9.0) == 0
