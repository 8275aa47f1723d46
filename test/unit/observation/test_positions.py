from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.embodiment.controllers import StateSource
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.positions import Lacking, MeasuredPositions, Pose

MS = 1_000_000
LIMIT = 200 * MS
ARMS, LEFT, RIGHT = 0, 1, 2  # places of the sources


@pytest.fixture(scope="session")
def split(embodiment: Embodiment, changed: Callable[..., Embodiment]) -> Embodiment:
    """Both arms on one topic, right one first, and each gripper on its own."""
    left, right = (embodiment.arms[side].joints for side in ("left", "right"))
    grippers = [joint.name for joint in embodiment.joints if joint.gripper]
    sources = (
        StateSource(topic="arms", joints=(*right, *left)),
        *(
            StateSource(topic=f"{side}_gripper", joints=(name,))
            for side, name in zip(("left", "right"), grippers, strict=True)
        ),
    )
    return changed(states=sources)


def merged(robot: Embodiment) -> MeasuredPositions:
    return MeasuredPositions(robot, LIMIT)


def arms(first: float = 0.0) -> np.ndarray:
    """Positions of the twelve joints of ``arms``, each 1 more than the one before."""
    return first + np.arange(12.0)


def reason(result: Any) -> str:
    assert isinstance(result, Lacking), result
    return result.reason


def test_one_source_is_a_pose_at_each_message_in_the_models_order(embodiment: Embodiment) -> None:
    pose = merged(embodiment).take(0, 5 * MS, np.arange(14.0))
    assert isinstance(pose, Pose)
    assert pose.stamp_ns == 5 * MS
    np.testing.assert_array_equal(pose.positions, np.arange(14.0))


def test_several_sources_are_one_pose_each_joint_at_its_place(split: Embodiment) -> None:
    positions = merged(split)
    assert positions.take(ARMS, 0, arms()) == Lacking("no left_gripper yet")
    assert positions.take(LEFT, 10 * MS, np.array([0.6])) is None
    assert positions.take(ARMS, 10 * MS, arms()) == Lacking("no right_gripper yet")
    assert positions.take(RIGHT, 12 * MS, np.array([0.7])) is None
    pose = positions.take(ARMS, 20 * MS, arms(100.0))
    assert isinstance(pose, Pose)
    assert pose.stamp_ns == 20 * MS, "the first source's"
    expected = [*range(106, 112), 0.6, *range(100, 106), 0.7]
    np.testing.assert_array_equal(pose.positions, expected)


def test_before_the_first_source_is_heard_the_others_say_so(split: Embodiment) -> None:
    assert merged(split).take(LEFT, 0, np.zeros(1)) == Lacking("no arms yet")


def heard(split: Embodiment, at_ms: int = 1000) -> MeasuredPositions:
    """Every source heard once, at the same instant."""
    positions = merged(split)
    for source, width in ((ARMS, 12), (LEFT, 1), (RIGHT, 1)):
        positions.take(source, at_ms * MS, np.zeros(width))
    return positions


@given(lag_ms=st.integers(0, 1000))
def test_another_source_is_used_until_its_age_and_not_longer(
    split: Embodiment, lag_ms: int
) -> None:
    positions = heard(split)
    positions.take(LEFT, (1000 + lag_ms) * MS, np.zeros(1))
    result = positions.take(ARMS, (1000 + lag_ms) * MS, arms())
    assert isinstance(result, Pose) == (lag_ms <= 200)
    if lag_ms > 200:
        seconds = f"{lag_ms / 1000:.2f}"
        assert reason(result) == f"right_gripper is {seconds} s older than arms, limit 0.20"


def test_a_source_may_have_an_age_limit_of_its_own(
    split: Embodiment, changed: Callable[..., Embodiment]
) -> None:
    arms, left, right = split.states
    positions = heard(changed(states=(arms, left, right.model_copy(update={"age_ms": 50.0}))))
    assert isinstance(positions.take(ARMS, 1050 * MS, np.zeros(12)), Pose)
    assert reason(positions.take(ARMS, 1051 * MS, np.zeros(12))) == (
        "right_gripper is 0.05 s older than arms, limit 0.05"
    )


def test_when_the_first_source_is_silent_the_others_name_it(split: Embodiment) -> None:
    positions = heard(split)
    assert positions.take(LEFT, 1200 * MS, np.zeros(1)) is None
    late = positions.take(LEFT, 1250 * MS, np.zeros(1))
    assert reason(late) == "arms is 0.25 s older than left_gripper, limit 0.20"


def test_a_source_that_is_behind_the_first_one_does_not_blame_it(split: Embodiment) -> None:
    positions = heard(split)
    assert positions.take(LEFT, 500 * MS, np.zeros(1)) is None
    assert reason(positions.take(ARMS, 1010 * MS, arms())).startswith("left_gripper is 0.51 s old")


def test_a_source_whose_clock_is_ahead_is_named(split: Embodiment) -> None:
    positions = heard(split)
    positions.take(RIGHT, 4000 * MS, np.zeros(1))
    assert reason(positions.take(ARMS, 1000 * MS, arms())) == (
        "right_gripper is 3.00 s newer than arms, limit 0.20"
    )


@pytest.mark.parametrize("source", [ARMS, LEFT])
def test_a_fault_is_told_at_once_and_lasts_until_the_source_delivers(
    split: Embodiment, source: int
) -> None:
    positions = heard(split)
    assert positions.miss(source, "it lacks elbow") == Lacking("it lacks elbow")
    other, width = (LEFT, 1) if source == ARMS else (ARMS, 12)
    assert reason(positions.take(other, 1000 * MS, np.zeros(width))) == "it lacks elbow"
    positions.take(source, 1010 * MS, np.zeros(12 if source == ARMS else 1))
    assert isinstance(positions.take(ARMS, 1020 * MS, arms()), Pose)


def test_after_the_clocks_jumped_back_the_new_stamps_count(split: Embodiment) -> None:
    positions = heard(split, at_ms=50_000)
    for source, width in ((LEFT, 1), (RIGHT, 1)):
        positions.take(source, 10 * MS, np.zeros(width))
    assert isinstance(positions.take(ARMS, 10 * MS, arms()), Pose)


def test_a_pose_is_not_changed_by_later_messages(split: Embodiment) -> None:
    positions = heard(split)
    pose = positions.take(ARMS, 1000 * MS, arms())
    positions.take(ARMS, 1010 * MS, arms(7.0))
    assert isinstance(pose, Pose)
    assert pose.positions[7] == 0.0
