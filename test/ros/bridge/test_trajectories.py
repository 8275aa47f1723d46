from __future__ import annotations

import numpy as np
import pytest
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from pi0_ros.bridge.stamps import to_duration, to_time
from pi0_ros.bridge.trajectories import decode_trajectory
from pi0_ros.simulation.controllers import JointTrajectoryController, Rejected


def message(*points: JointTrajectoryPoint) -> JointTrajectory:
    made = JointTrajectory(joint_names=["a", "b"], points=list(points))
    made.header.stamp = to_time(3_000_000_000)
    return made


def point(at_ns: int, positions: list[float], **fields: list[float]) -> JointTrajectoryPoint:
    return JointTrajectoryPoint(time_from_start=to_duration(at_ns), positions=positions, **fields)


def test_positions_alone_leave_the_other_fields_out() -> None:
    value = decode_trajectory(message(point(0, [1.0, 2.0]), point(500, [3.0, 4.0])))
    assert value.names == ("a", "b")
    assert value.stamp_ns == 3_000_000_000
    np.testing.assert_array_equal(value.times_ns, [0, 500])
    np.testing.assert_array_equal(value.positions, [[1, 2], [3, 4]])
    assert value.velocities is None
    assert value.accelerations is None


def test_velocities_and_accelerations_are_read_where_they_are() -> None:
    value = decode_trajectory(message(point(0, [1.0, 2.0], velocities=[5.0, 6.0],
                                            accelerations=[7.0, 8.0])))  # fmt: skip
    np.testing.assert_array_equal(value.velocities, [[5, 6]])
    np.testing.assert_array_equal(value.accelerations, [[7, 8]])


@pytest.mark.parametrize("field", ["velocities", "accelerations"])
def test_a_field_of_different_sizes_is_rejected(field: str) -> None:
    mixed = message(
        point(0, [1.0, 2.0], **{field: [0.0, 0.0]}), point(1, [1.0, 2.0], **{field: [0.0]})
    )
    with pytest.raises(Rejected, match=f"points have different numbers of {field}"):
        decode_trajectory(mixed)


def test_a_point_without_a_field_that_others_have_is_none_of_it() -> None:
    value = decode_trajectory(
        message(point(0, [1.0, 2.0]), point(1, [1.0, 2.0], velocities=[3.0, 4.0]))
    )
    np.testing.assert_array_equal(value.velocities, [[np.nan, np.nan], [3, 4]])


def test_points_of_different_sizes_are_rejected() -> None:
    with pytest.raises(Rejected, match="points have different numbers of positions"):
        decode_trajectory(message(point(0, [1.0, 2.0]), point(1, [1.0])))


def test_efforts_are_rejected() -> None:
    with pytest.raises(Rejected, match="points have efforts"):
        decode_trajectory(message(point(0, [1.0, 2.0], effort=[0.0, 0.0])))


def test_an_empty_message_and_one_of_velocities_only_are_left_for_the_controller_to_reject() -> (
    None
):
    arm = JointTrajectoryController("arm", ("a", "b"))
    with pytest.raises(Rejected, match="empty trajectory received"):
        arm.receive(decode_trajectory(message()), 0)
    with pytest.raises(Rejected, match=r"points of shape \(1, 0\), expected \(1, 2\)"):
        arm.receive(decode_trajectory(message(point(0, [], velocities=[0.0, 0.0]))), 0)
