from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.bridge.encoders.gripper_actions import GoalFilter

MS = 1_000_000
S = 1000 * MS
GRIPPER = "left_robotiq_85_left_knuckle_joint"
CONTROLLER = {"name": "gripper", "topic": "gripper/gripper_cmd", "joints": (GRIPPER,)}


def goals(positions, *, every_ms=100, first_ms=1000, deadband=0.02):
    """Which of the positions become goals, asked one after the other; stroke 1."""
    filter_ = GoalFilter(deadband, 1.0, 1200 * MS)
    asked = ((p, (first_ms + i * every_ms) * MS) for i, p in enumerate(positions))
    return [position for position, now_ns in asked if filter_.passes(position, now_ns)]


def test_the_first_position_is_a_goal_and_the_same_again_is_none():
    assert goals([0.3, 0.3, 0.3, 0.3]) == [0.3]


def test_a_change_within_the_deadband_waits_until_it_stands_still():
    assert goals([0.0, 0.01, 0.015, 0.019]) == [0.0]
    assert goals([0.0, 0.01, 0.015, 0.015, 0.015]) == [0.0, 0.015]


def test_a_change_of_a_deadband_is_a_goal_at_once():
    assert goals([0.0, 0.02, 0.03, 0.0399, 0.04]) == [0.0, 0.02, 0.04]


def test_noise_around_a_value_is_no_goal():
    noise = np.random.default_rng(0).uniform(-0.009, 0.009, 500)
    assert len(goals([0.5, *(0.5 + noise)])) == 1


def test_a_creep_sends_a_goal_per_deadband_and_its_end():
    creep = [*np.arange(0, 0.05, 1e-4), 0.05, 0.05]
    assert goals(creep) == pytest.approx([0.0, 0.02, 0.04, 0.05])


def test_after_a_pause_the_first_position_is_a_goal_although_nothing_changed():
    filter_ = GoalFilter(0.02, 1.0, 1200 * MS)
    answers = [filter_.passes(0.3, at_ms * MS) for at_ms in (1000, 1100, 2300, 3501, 3600)]
    assert answers == [True, False, False, True, False]


def test_after_a_jump_back_of_the_clock_the_first_position_is_a_goal():
    filter_ = GoalFilter(0.02, 1.0, 1200 * MS)
    assert [filter_.passes(0.3, at_ns) for at_ns in (9 * S, S, S + MS)] == [True, True, False]


@given(
    walk=st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=60),
    deadband=st.floats(0.005, 0.2),
)
def test_the_last_goal_is_never_a_deadband_away_and_in_the_end_it_is_the_position(walk, deadband):
    positions = np.cumsum(walk)
    filter_ = GoalFilter(deadband, 1.0, 1200 * MS)
    last = None
    for tick, position in enumerate([*positions, positions[-1]]):
        if filter_.passes(position, (10 + tick) * 100 * MS):
            last = position
        assert abs(position - last) < deadband
    assert last == pytest.approx(positions[-1], abs=1.1e-4)


class Gripper:
    """Stands in for control_msgs/action/GripperCommand."""

    class Goal:
        def __init__(self):
            self.command = SimpleNamespace(position=0.0, max_effort=0.0)


class ParallelGripper:
    """Stands in for control_msgs/action/ParallelGripperCommand."""

    class Goal:
        def __init__(self, command):
            self.command = command


@pytest.fixture
def actions(stand_in):
    stand_in("control_msgs/action", GripperCommand=Gripper, ParallelGripperCommand=ParallelGripper)


def pose(closing):
    """All joints at 9 but the gripper, which is closed by a share of 0.7929 rad."""
    positions = np.full(14, 9.0)
    positions[6] = 0.7929 * closing
    return positions


def test_a_gripper_command_has_the_position_of_now_and_the_effort(
    robot, encoder_of, window_of, actions
):
    encoder = encoder_of(robot, **CONTROLLER, type="gripper_command", max_effort=30.0)
    goal = encoder.encode(window_of(pose(0.5)), 10 * S)
    assert isinstance(goal, encoder.message_type.Goal)
    assert goal.command.position == pytest.approx(0.39645)
    assert goal.command.max_effort == 30.0
    assert encoder.encode(window_of(pose(0.5)), 10 * S + 20 * MS) is None


def test_a_gripper_command_is_in_the_drivers_numbers(robot, encoder_of, window_of, actions):
    numbers = {"open": 0.04, "closed": 0.0}
    encoder = encoder_of(robot, **CONTROLLER, type="gripper_command", gripper=numbers)
    sent = [encoder.encode(window_of(pose(c)), 10 * S).command.position for c in (0.0, 0.25, 1.0)]
    assert sent == pytest.approx([0.04, 0.03, 0.0])


def test_a_parallel_gripper_command_is_a_joint_state_by_the_drivers_name(
    robot, encoder_of, window_of, actions
):
    encoder = encoder_of(robot, **CONTROLLER, type="parallel_gripper_command", names=("knuckle",))
    command = encoder.encode(window_of(pose(1.0)), 10 * S).command
    assert list(command.name) == ["knuckle"]
    assert list(command.position) == pytest.approx([0.7929])
    assert list(command.effort) == [50.0]
    assert list(command.velocity) == []


def test_the_deadband_is_a_share_of_the_stroke(robot, encoder_of, window_of, actions):
    encoder = encoder_of(robot, **CONTROLLER, type="gripper_command", deadband=0.1)
    sent = [
        encoder.encode(window_of(pose(closing)), 10 * S + i * 20 * MS) is not None
        for i, closing in enumerate((0.0, 0.05, 0.099, 0.101))
    ]
    assert sent == [True, False, False, True]
