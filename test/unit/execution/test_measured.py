from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.execution.measured import MeasuredPose

MS = 1_000_000


@pytest.fixture
def measured():
    return MeasuredPose(("turn", "slide"), 200 * MS, np.array([0.25, 0.25]))


def test_before_the_first_pose_the_reason_says_so(measured):
    assert str(measured.why_unseen(0)) == "joint_states_missing: no joint_states yet"


def test_a_pose_is_good_for_200_ms(measured):
    measured.take(1000 * MS, np.zeros(2))
    assert measured.why_unseen(1200 * MS) is None
    stale = measured.why_unseen(1500 * MS)
    assert str(stale) == "joint_states_stale: 0.50 s old, limit 0.20"


def test_a_stamp_ahead_of_now_is_no_better_than_an_old_one(measured):
    measured.take(1000 * MS, np.zeros(2))
    assert measured.why_unseen(900 * MS) is None
    said = str(measured.why_unseen(0))
    assert said == (
        "joint_states_stale: stamped 1.00 s ahead of now; compare the clocks, limit 0.20"
    )


def test_a_joint_that_is_lacking_is_told_until_the_next_pose(measured):
    measured.take(0, np.zeros(2))
    measured.lack("joint_states lacks slide")
    assert str(measured.why_unseen(0)) == "joint_states_missing: joint_states lacks slide"
    measured.take(0, np.zeros(2))
    assert measured.why_unseen(0) is None


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_pose_with_a_number_that_is_not_finite_is_none(measured, number):
    measured.take(0, np.array([0.0, number]))
    assert str(measured.why_unseen(0)) == f"joint_states_missing: slide is {number}"


def test_a_pose_taken_is_a_copy(measured):
    pose = np.zeros(2)
    measured.take(0, pose)
    pose[0] = 9
    assert measured.position.tolist() == [0, 0]


def test_the_joint_farthest_from_its_command_is_named(measured):
    measured.take(0, np.array([0.0, 0.5]))
    assert measured.why_astray(np.array([0.25, 0.25])) is None
    said = str(measured.why_astray(np.array([0.25, 0.0])))
    assert said.startswith("tracking_error: slide is 0.500 from its command, limit 0.25; ")


def test_without_a_command_for_its_instant_nothing_is_astray(measured):
    measured.take(0, np.zeros(2))
    assert measured.why_astray(None) is None


def test_the_joint_that_exceeds_its_own_limit_is_named():
    measured = MeasuredPose(("turn", "slide", "grip"), 200 * MS, np.array([0.25, 0.1, np.inf]))
    measured.take(0, np.zeros(3))
    assert measured.why_astray(np.array([0.2, 0.1, 0.8])) is None
    said = str(measured.why_astray(np.array([0.2, 0.11, 0.8])))
    assert said.startswith("tracking_error: slide is 0.110 from its command, limit 0.1; ")
