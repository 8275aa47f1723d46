from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pi0_ros.simulation.controllers import (
    JointTrajectoryController,
    Rejected,
    SimController,
    Trajectory,
)

S = 1_000_000_000
JOINTS = ("a", "b")


def controller(**parameters: bool) -> JointTrajectoryController:
    return JointTrajectoryController("arm_controller", JOINTS, **parameters)


def trajectory(
    points: list[Any], *, at_s: float = 0.0, times_s: list[float] | None = None,
    names: tuple[str, ...] = JOINTS, **derivatives: list[Any],
) -> Trajectory:  # fmt: skip
    """Points one second apart from 0 s on; one number stands for all joints."""

    def rows(values: list[Any]) -> np.ndarray:
        return np.array([np.broadcast_to(row, len(names)) for row in values], dtype=float)

    times = np.arange(len(points)) if times_s is None else np.array(times_s)
    return Trajectory(
        names,
        round(at_s * S),
        np.round(times * S).astype(np.int64),
        rows(points),
        **{name: rows(values) for name, values in derivatives.items()},
    )


def sample(made: SimController, at_s: float, measured: float = 0.0,
           command: float = 0.0) -> np.ndarray:  # fmt: skip
    return made.sample(round(at_s * S), np.full(2, measured), np.full(2, command))


def played(message: Trajectory, at_s: float, **state: float) -> np.ndarray:
    """Receive a message at its stamp and sample it once."""
    made = controller()
    made.receive(message, message.stamp_ns)
    return sample(made, at_s, **state)


def rejection(message: Trajectory, now_s: float = 0.0, **parameters: bool) -> str:
    with pytest.raises(Rejected) as caught:
        controller(**parameters).receive(message, round(now_s * S))
    return str(caught.value)


# --- without a trajectory ------------------------------------------------------------------------


def test_without_a_trajectory_the_last_command_is_held() -> None:
    np.testing.assert_array_equal(sample(controller(), 1.0, measured=5.0, command=3.0), [3, 3])


def test_after_hold_the_last_command_is_held() -> None:
    made = controller()
    made.receive(trajectory([0, 1]), 0)
    made.hold()
    np.testing.assert_array_equal(sample(made, 0.5, command=3.0), [3, 3])


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at_s", "value"), [(10.0, 0.0), (10.25, 0.25), (11.5, 2.0), (12.0, 3.0)])
def test_points_count_from_the_stamp(at_s: float, value: float) -> None:
    np.testing.assert_allclose(played(trajectory([0, 1, 3], at_s=10), at_s), [value, value])


def test_stamp_zero_counts_from_the_first_sample() -> None:
    made = controller()
    made.receive(trajectory([0, 1]), 5 * S)
    np.testing.assert_allclose(sample(made, 7.0), [0, 0])
    np.testing.assert_allclose(sample(made, 7.25), [0.25, 0.25])


def test_a_first_point_at_once_is_stepped_to_at_once() -> None:
    np.testing.assert_allclose(played(trajectory([4]), 0.0, measured=0.0, command=0.0), [4, 4])


def test_a_trajectory_whose_last_point_is_past_is_rejected() -> None:
    message = trajectory([0, 1], at_s=10)
    assert rejection(message, now_s=11.5) == "received trajectory ended 0.500 s in the past"
    controller().receive(message, 11 * S)  # just now is not yet past


def test_a_partly_past_trajectory_starts_inside_its_segment_without_blending() -> None:
    made = controller()
    made.receive(trajectory([0, 1, 3], at_s=10), round(11.5 * S))
    np.testing.assert_allclose(sample(made, 11.5, measured=-7.0, command=-8.0), [2, 2])


def test_after_the_last_point_it_is_held() -> None:
    made = controller()
    made.receive(trajectory([0, 1]), 0)
    sample(made, 0.0)
    for at_s in (1.0, 1.1, 99.0):
        np.testing.assert_array_equal(sample(made, at_s, measured=9.0, command=8.0), [1, 1])


def test_a_message_replaces_the_trajectory_at_once() -> None:
    made = controller()
    made.receive(trajectory([0, 10], at_s=10), 10 * S)
    np.testing.assert_allclose(sample(made, 10.5), [5, 5])
    made.receive(trajectory([-1, -1], at_s=10), round(10.5 * S))
    np.testing.assert_allclose(sample(made, 10.5, measured=5.0, command=5.0), [-1, -1])


def test_a_rejected_message_replaces_nothing() -> None:
    made = controller()
    made.receive(trajectory([0, 10], at_s=10), 10 * S)
    with pytest.raises(Rejected):
        made.receive(trajectory([0, 1], at_s=1), 10 * S)
    np.testing.assert_allclose(sample(made, 10.5), [5, 5])


# --- before the first point ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("from_desired", "origin"), [(False, 2.0), (True, 6.0)], ids=["measured", "command"]
)
def test_before_the_first_point_it_starts_from_the_measured_state_or_from_the_last_command(
    from_desired: bool, origin: float
) -> None:
    made = controller(interpolate_from_desired_state=from_desired)
    made.receive(trajectory([10], at_s=12), 10 * S)
    np.testing.assert_allclose(sample(made, 10.0, measured=2.0, command=6.0), [origin, origin])
    # Half-way; what is measured and commanded on the way does not move the origin.
    middle = (origin + 10) / 2
    np.testing.assert_allclose(sample(made, 11.0, measured=0.0, command=0.0), [middle, middle])
    np.testing.assert_allclose(sample(made, 12.0, measured=0.0, command=0.0), [10, 10])


def test_stamp_zero_with_a_later_first_point_takes_that_long() -> None:
    made = controller()
    made.receive(trajectory([10], times_s=[2.0]), 0)
    np.testing.assert_allclose(sample(made, 5.0, measured=2.0), [2, 2])
    np.testing.assert_allclose(sample(made, 6.0), [6, 6])


def test_each_message_starts_from_the_state_of_its_own_first_sample() -> None:
    made = controller()
    made.receive(trajectory([10], at_s=12), 10 * S)
    sample(made, 10.0, measured=2.0)
    made.receive(trajectory([10], at_s=13), 11 * S)
    np.testing.assert_allclose(sample(made, 11.0, measured=4.0), [4, 4])


# --- interpolation by the fields given -----------------------------------------------------------

STILL, FULL = [0, 0], [1, 1]


def test_positions_alone_are_joined_by_lines() -> None:
    np.testing.assert_allclose(played(trajectory([0, 1]), 0.0), [0, 0])
    made = controller()
    made.receive(trajectory([0, 1], at_s=1), S)
    np.testing.assert_allclose(sample(made, 1.25), [0.25, 0.25])


def test_velocities_make_the_segments_cubic() -> None:
    # 3 t^2 - 2 t^3 between two rests
    message = trajectory([0, 1], at_s=1, velocities=[0, 0])
    np.testing.assert_allclose(played(message, 1.25), [0.15625, 0.15625])
    np.testing.assert_allclose(played(message, 1.5), [0.5, 0.5])


def test_accelerations_make_the_segments_quintic() -> None:
    # 10 t^3 - 15 t^4 + 6 t^5 between two rests
    message = trajectory([0, 1], at_s=1, velocities=[0, 0], accelerations=[0, 0])
    np.testing.assert_allclose(played(message, 1.25), [0.103515625, 0.103515625])
    np.testing.assert_allclose(played(message, 1.5), [0.5, 0.5])


def test_a_cubic_passes_its_points_at_the_velocities_given() -> None:
    message = trajectory([0, 1, 2], at_s=1, velocities=[1, 1, 0])
    np.testing.assert_allclose(played(message, 1.25), [0.25, 0.25])  # constant speed so far
    np.testing.assert_allclose(played(message, 2.0), [1, 1])


def test_joints_are_interpolated_each_for_itself() -> None:
    message = trajectory([[0, 10], [1, 30]], at_s=1)
    np.testing.assert_allclose(played(message, 1.5), [0.5, 20])


# --- names ---------------------------------------------------------------------------------------


def test_the_order_of_names_is_free() -> None:
    message = trajectory([[1, 2]], at_s=1, names=("b", "a"))
    np.testing.assert_array_equal(played(message, 1.0), [2, 1])


def test_a_joint_of_another_controller_is_rejected() -> None:
    message = trajectory([0], names=("a", "z"))
    assert rejection(message) == "incoming joint z doesn't belong to arm_controller"
    assert "joint z" in rejection(message, allow_partial_joints_goal=True)


def test_some_of_the_joints_are_rejected_unless_partial_goals_are_allowed() -> None:
    message = trajectory([[5]], at_s=1, names=("b",))
    assert rejection(message) == "1 joints, arm_controller has 2"
    partial = controller(allow_partial_joints_goal=True)
    partial.receive(message, S)
    np.testing.assert_array_equal(sample(partial, 1.0, measured=1.0, command=3.0), [3, 5])


def test_a_partial_goal_starts_from_its_own_joint() -> None:
    partial = controller(allow_partial_joints_goal=True)
    partial.receive(trajectory([[5]], at_s=2, names=("b",)), S)
    first = partial.sample(S, np.array([1.0, 3.0]), np.array([7.0, 7.0]))
    np.testing.assert_allclose(first, [7, 3])


@pytest.mark.parametrize("allow", [False, True])
def test_no_names_at_all_are_rejected(allow: bool) -> None:
    empty = Trajectory((), 0, np.array([0]), np.zeros((1, 0)))
    assert "empty joint names" in rejection(empty, allow_partial_joints_goal=allow)


# --- points --------------------------------------------------------------------------------------


def test_an_empty_trajectory_is_rejected() -> None:
    empty = Trajectory(JOINTS, 0, np.zeros(0, np.int64), np.zeros((0, 2)))
    assert rejection(empty) == "empty trajectory received"


@pytest.mark.parametrize("times_s", [[0.0, 1.0, 1.0], [0.0, 2.0, 1.0]])
def test_times_that_do_not_strictly_increase_are_rejected(times_s: list[float]) -> None:
    said = rejection(trajectory([0, 1, 2], times_s=times_s))
    assert said == "time between points is not strictly increasing"


@pytest.mark.parametrize("field", ["positions", "velocities", "accelerations"])
def test_fields_of_another_shape_are_rejected(field: str) -> None:
    good = trajectory([0, 1], velocities=[0, 0], accelerations=[0, 0])
    fields = {**vars(good), field: np.zeros((2, 3))}
    assert rejection(Trajectory(**fields)) == "points of shape (2, 3), expected (2, 2)"


def test_a_last_point_that_still_moves_is_rejected_unless_allowed() -> None:
    message = trajectory([0, 1], velocities=[0, [0.0, 0.1]])
    assert rejection(message) == "velocity of the last trajectory point is not zero"
    controller(allow_nonzero_velocity_at_trajectory_end=True).receive(message, 0)


def test_a_last_velocity_within_rounding_counts_as_zero() -> None:
    controller().receive(trajectory([0, 1], velocities=[0, 1e-9]), 0)


def test_a_clock_that_jumps_back_holds_the_last_command_until_the_next_trajectory() -> None:
    made = controller()
    made.receive(trajectory([0.0, 1.0], at_s=10.0), 10 * S)
    assert sample(made, 10.5, measured=0.4) == pytest.approx(0.5)
    assert sample(made, 3.0, command=0.5) == pytest.approx(0.5)
    made.receive(trajectory([0.5, 0.7], at_s=3.0), 3 * S)
    assert sample(made, 3.5, command=0.5) == pytest.approx(0.6)
