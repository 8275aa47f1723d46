from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pi0_ros.embodiment.controllers import StateSource
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.observation import NotReady
from pi0_ros.observation.states import StateHistory

MS = 1_000_000
ARMS, GRIPPERS = 0, 1  # places of the sources

Changed = Callable[..., Embodiment]


def sources_of(embodiment: Embodiment) -> tuple[StateSource, StateSource]:
    """Both arms on one topic, right one first, and both grippers on another."""
    left, right = (embodiment.arms[side].joints for side in ("left", "right"))
    grippers = tuple(joint.name for joint in embodiment.joints if joint.gripper)
    return (
        StateSource(topic="arms", joints=(*right, *left)),
        StateSource(topic="grippers", joints=grippers),
    )


@pytest.fixture
def states(embodiment: Embodiment, changed: Changed) -> StateHistory:
    """Empty; across 100 ms positions are interpolated."""
    return StateHistory(changed(states=sources_of(embodiment)), 100 * MS, capacity=50)


def sentences(found: np.ndarray | NotReady) -> list[str]:
    assert isinstance(found, NotReady)
    return list(found.sentences)


def test_each_source_is_interpolated_by_itself(states: StateHistory) -> None:
    """A hand at 15 Hz beside an arm at 100 Hz: both are where they were at 1020 ms."""
    for at_ms in range(1000, 1070, 10):
        states.add(ARMS, at_ms * MS, np.full(12, at_ms / 1000))
    for at_ms, position in ((1000, 0.0), (1066, 0.66)):
        states.add(GRIPPERS, at_ms * MS, np.full(2, position))
    expected = np.full(14, 1.02)
    expected[[6, 13]] = 0.2
    np.testing.assert_allclose(states.at(1020 * MS), expected)


def test_each_joint_lands_at_its_place(states: StateHistory) -> None:
    states.add(ARMS, 0, np.arange(12.0))
    states.add(GRIPPERS, 0, np.array([0.6, 0.7]))
    expected = [*range(6, 12), 0.6, *range(6), 0.7]
    np.testing.assert_array_equal(states.at(0), expected)


def test_every_source_that_lacks_something_is_named(states: StateHistory) -> None:
    states.add(ARMS, 1000 * MS, np.zeros(12))
    assert sentences(states.at(1030 * MS)) == [
        "arms: still 0.030 s behind the reference image",
        "grippers: still behind the reference image",
    ]
    states.add(ARMS, 1101 * MS, np.zeros(12))
    states.add(GRIPPERS, 1040 * MS, np.zeros(2))
    assert sentences(states.at(1030 * MS)) == [
        "arms: 0.101 s without a position around the reference image, limit 0.100",
        "grippers: begins 0.010 s after the reference image",
    ]


def test_a_message_of_that_very_instant_needs_no_neighbour(states: StateHistory) -> None:
    states.add(ARMS, 1000 * MS, np.ones(12))
    states.add(GRIPPERS, 1000 * MS, np.ones(2))
    np.testing.assert_array_equal(states.at(1000 * MS), np.ones(14))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_position_that_is_not_finite_is_named_and_not_kept(
    states: StateHistory, value: float
) -> None:
    positions = np.zeros(2)
    positions[1] = value
    name = "right_robotiq_85_left_knuckle_joint"
    assert states.add(GRIPPERS, 0, positions) == f"grippers: {name} is {value}, not finite"
    assert len(states.timelines[GRIPPERS]) == 0


def test_a_source_of_unobserved_joints_alone_is_not_needed(
    embodiment: Embodiment, changed: Changed
) -> None:
    joints = tuple(
        joint.model_copy(update={"observed": joint.gripper is None}) for joint in embodiment.joints
    )
    policy = embodiment.policy.model_copy(update={"delta": ()})
    robot = changed(joints=joints, policy=policy, states=sources_of(embodiment))
    states = StateHistory(robot, 100 * MS, 50)
    assert states.needed == (ARMS,)
    states.add(ARMS, 0, np.arange(12.0))
    np.testing.assert_array_equal(states.at(0), [*range(6, 12), *range(6)])


def test_two_sources_may_share_a_topic(embodiment: Embodiment, changed: Changed) -> None:
    shared = tuple(s.model_copy(update={"topic": "told"}) for s in sources_of(embodiment))
    states = StateHistory(changed(states=shared), 100 * MS, 50)
    states.add(ARMS, 0, np.ones(12))
    states.add(GRIPPERS, 0, np.zeros(2))
    assert isinstance(found := states.at(0), np.ndarray)
    assert found.sum() == 12


def test_interpolation_is_exact_with_stamps_of_today(embodiment: Embodiment) -> None:
    now_ns = 1_700_000_000_000_000_000  # a double counts only every 256th of these
    today = StateHistory(embodiment, 100 * MS, 3)
    today.add(0, now_ns, np.zeros(14))
    today.add(0, now_ns + 1000, np.ones(14))
    np.testing.assert_allclose(today.at(now_ns + 250), np.full(14, 0.25), rtol=1e-12)
