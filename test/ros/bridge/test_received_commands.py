"""What an encoder writes, the simulation reads: the same joints in the same units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Twist, TwistStamped, Vector3
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from pi0_ros.bridge.received_commands import CommandDecoder
from pi0_ros.embodiment.controllers import CONTROLLER_TYPES
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.controllers import Rejected

ARM, GRIPPER = "left_elbow_joint", "left_robotiq_85_left_knuckle_joint"


@pytest.fixture(scope="module")
def robot() -> Embodiment:
    return load_embodiment("ur5e_bimanual", simulation=True)


def decoder(robot: Embodiment, type_: str, **fields: Any) -> CommandDecoder:
    """Reads an elbow in its own unit and a gripper, 0.7929 rad when closed, from 255 to 0."""
    description = {
        "name": "both", "type": type_, "topic": "both", "rate_hz": 50, "joints": (ARM, GRIPPER),
        "names": ("elbow", "fingers"), "gripper": {"open": 255.0, "closed": 0.0}, **fields,
    }  # fmt: skip
    return CommandDecoder(CONTROLLER_TYPES[type_](**description), robot)


def trajectory(names: list[str], *points: tuple[list[float], list[float]]) -> JointTrajectory:
    """Points a second apart, each with positions and velocities."""
    return JointTrajectory(
        joint_names=names,
        points=[
            JointTrajectoryPoint(
                positions=at, velocities=speed, time_from_start=Duration(sec=second)
            )
            for second, (at, speed) in enumerate(points)
        ],
    )


def test_an_array_comes_in_the_joints_units(robot: Embodiment) -> None:
    read = decoder(robot, "forward_position")
    assert read.message_type is Float64MultiArray
    np.testing.assert_allclose(read.decode(Float64MultiArray(data=[1.5, 0.0])), [1.5, 0.7929])
    np.testing.assert_allclose(read.decode(Float64MultiArray(data=[1.5, 255.0])), [1.5, 0.0])


def test_an_array_of_another_size_is_left_to_the_controller_to_refuse(robot: Embodiment) -> None:
    assert decoder(robot, "forward_position").decode(Float64MultiArray(data=[1.0])).shape == (1,)


def test_a_joint_state_comes_by_the_drivers_names_in_the_joints_units(robot: Embodiment) -> None:
    read = decoder(robot, "joint_state")
    given = read.decode(JointState(name=["fingers", "elbow"], position=[127.5, -1.0]))
    assert given == pytest.approx({"fingers": 0.7929 / 2, "elbow": -1.0})
    assert read.decode(JointState(name=["elbow"], position=[2.0])) == {"elbow": 2.0}
    assert read.decode(JointState(name=["knee"], position=[2.0])) == {"knee": 2.0}


def test_a_joint_state_without_all_its_positions_is_rejected(robot: Embodiment) -> None:
    with pytest.raises(Rejected, match="2 names and 1 positions"):
        decoder(robot, "joint_state").decode(JointState(name=["a", "b"], position=[1.0]))


def test_a_trajectory_comes_in_the_joints_units_whatever_its_order(robot: Embodiment) -> None:
    message = trajectory(
        ["fingers", "elbow"], ([255.0, 1.0], [0.0, 0.5]), ([0.0, 2.0], [-255.0, 0])
    )
    value = decoder(robot, "joint_trajectory").decode(message)
    assert value.names == ("fingers", "elbow")
    np.testing.assert_allclose(value.positions, [[0.0, 1.0], [0.7929, 2.0]], atol=1e-12)
    np.testing.assert_allclose(value.velocities, [[0.0, 0.5], [0.7929, 0.0]], atol=1e-12)
    assert value.accelerations is None


def test_a_trajectory_for_other_joints_is_left_to_the_controller_to_refuse(
    robot: Embodiment,
) -> None:
    value = decoder(robot, "joint_trajectory").decode(trajectory(["knee"], ([3.0], [0.0])))
    assert value.names == ("knee",)
    np.testing.assert_array_equal(value.positions, [[3.0]])


def test_a_twist_is_forward_left_and_yaw_stamped_or_not() -> None:
    mobile = load_embodiment("fibocom_mobile", simulation=True)
    axes = tuple(axis.name for axis in mobile.base.axes)
    fields = {"joints": axes, "names": (), "gripper": None}
    twist = Twist(linear=Vector3(x=0.1, y=-0.2), angular=Vector3(z=0.3))
    plain, stamped = (decoder(mobile, type_, **fields) for type_ in ("twist", "twist_stamped"))
    np.testing.assert_array_equal(plain.decode(twist), [0.1, -0.2, 0.3])
    np.testing.assert_array_equal(stamped.decode(TwistStamped(twist=twist)), [0.1, -0.2, 0.3])
