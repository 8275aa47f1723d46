from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.bridge.driver_numbers import DriverNumbers
from pi0_ros.embodiment.controllers import DriverGripper, StateSource
from pi0_ros.embodiment.spec import Embodiment

GRIPPER = "left_robotiq_85_left_knuckle_joint"  # 0 open, 0.7929 closed [rad]; column 6
LIFT = "left_shoulder_lift_joint"  # column 1
NUMBER = st.floats(-10, 10, allow_nan=False)


def spoken(*joints: str, gripper: DriverGripper | None = None) -> StateSource:
    return StateSource(topic="there", joints=joints, gripper=gripper)


def test_without_numbers_of_the_driver_the_joints_are_picked_as_they_are(robot: Embodiment) -> None:
    numbers = DriverNumbers(spoken(GRIPPER, LIFT), robot)
    np.testing.assert_array_equal(numbers.of(np.arange(14.0)), [6.0, 1.0])
    np.testing.assert_array_equal(numbers.of(np.arange(28.0).reshape(2, 14)), [[6, 1], [20, 15]])


@pytest.mark.parametrize(
    ("open_", "closed"), [(0.08, 0.0), (0.0, -3.4), (1.4910, -0.6213), (255.0, 0.0)]
)
def test_a_gripper_is_told_in_the_drivers_numbers_whatever_their_polarity(
    robot: Embodiment, open_: float, closed: float
) -> None:
    numbers = DriverNumbers(spoken(LIFT, GRIPPER, gripper={"open": open_, "closed": closed}), robot)
    pose = np.full(14, 0.5)
    for share in (0.0, 0.25, 1.0):
        pose[6] = 0.7929 * share
        expected = [0.5, open_ + share * (closed - open_)]
        np.testing.assert_allclose(numbers.of(pose), expected, atol=1e-12)


@given(
    open_=NUMBER,
    stroke=st.floats(0.01, 10) | st.floats(-10, -0.01),
    numbers=st.tuples(NUMBER, NUMBER),
)
def test_back_from_the_driver_is_where_it_came_from(
    robot: Embodiment, open_: float, stroke: float, numbers: tuple[float, float]
) -> None:
    gripper = DriverGripper(open=open_, closed=open_ + stroke)
    made = DriverNumbers(spoken(GRIPPER, LIFT, gripper=gripper), robot)
    pose = np.zeros(14)
    pose[[6, 1]] = made.to_joints(np.array(numbers))
    np.testing.assert_allclose(made.of(pose), numbers, atol=1e-9)


def test_a_gripper_that_is_not_open_at_zero_is_mapped_from_its_own_numbers(
    robot: Embodiment,
) -> None:
    slider = {"open": 0.058, "closed": 0.018, "model_open": 1.0, "model_closed": 0.0}
    limits = {"lower": 0.018, "upper": 0.058, "home": 0.058, "gripper": slider}
    joints = [
        {**joint.model_dump(), **limits} if joint.name == GRIPPER else joint
        for joint in robot.joints
    ]
    same = {name: getattr(robot, name) for name in Embodiment.model_fields}
    numbers = DriverNumbers(
        spoken(GRIPPER, gripper=DriverGripper(open=1.5, closed=-0.5)),
        Embodiment(**same | {"joints": joints}),
    )
    sent = [numbers.of(np.full(14, position))[0] for position in (0.058, 0.038, 0.018)]
    np.testing.assert_allclose(sent, [1.5, 0.5, -0.5])
    np.testing.assert_allclose(numbers.to_joints(np.array([0.5])), [0.038])
