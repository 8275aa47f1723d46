from __future__ import annotations

import numpy as np
from sensor_msgs.msg import JointState

from pi0_ros.bridge.joint_states import joint_state, positions_by_name
from pi0_ros.bridge.stamps import to_ns

NAMES = ("elbow", "wrist")


def test_what_was_built_is_read_again() -> None:
    made = joint_state(NAMES, 1_500_000_000, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert to_ns(made.header.stamp) == 1_500_000_000
    assert positions_by_name(made) == {"elbow": 1.0, "wrist": 2.0}
    assert list(made.velocity) == [3.0, 4.0]
    assert list(made.effort) == []


def test_efforts_are_there_where_they_are_known() -> None:
    made = joint_state(NAMES, 0, np.zeros(2), np.zeros(2), np.array([5.0, 6.0]))
    assert list(made.effort) == [5.0, 6.0]


def test_joints_without_a_position_are_left_out() -> None:
    assert positions_by_name(JointState(name=["elbow", "wrist"], position=[1.0])) == {"elbow": 1.0}
    assert positions_by_name(JointState(name=["elbow"], velocity=[1.0])) == {}
