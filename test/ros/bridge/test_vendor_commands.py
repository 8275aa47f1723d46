from __future__ import annotations

import sys

import numpy as np
import pytest

from pi0_ros.bridge.commands import ENCODERS
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.embodiment.controllers import CONTROLLER_TYPES

S = 1_000_000_000
GRIPPER = "left_robotiq_85_left_knuckle_joint"
STARTS = 0.1 * np.arange(14)  # joint i at i / 10


@pytest.fixture
def vendors(stand_in, message):
    stand_in("interbotix_xs_msgs/msg", JointGroupCommand=message, JointSingleCommand=message)
    stand_in("arx5_arm_msg/msg", RobotCmd=message)
    stand_in("arm_control/msg", JointControl=message, PosCmd=message)


@pytest.fixture
def arm(robot):
    """The left arm in reverse, then its gripper."""
    return (*reversed(robot.arms["left"].joints), GRIPPER)


def test_an_interbotix_group_has_its_name_and_its_joints_in_order(
    robot, encoder_of, window_of, vendors, arm
):
    encoder = encoder_of(robot, type="interbotix_group", group="left", joints=arm[:6])
    message = encoder.encode(window_of(STARTS), 10 * S)
    assert isinstance(message, encoder.message_type)
    assert message.name == "left"
    assert message.cmd == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.0])


def test_an_interbotix_single_has_the_drivers_name_and_number(
    robot, encoder_of, window_of, vendors
):
    encoder = encoder_of(
        robot, type="interbotix_single", joints=(GRIPPER,), names=("gripper",),
        gripper={"open": 1.5, "closed": -0.5},
    )  # fmt: skip
    positions = np.array(STARTS)
    positions[6] = 0.7929 / 4
    message = encoder.encode(window_of(positions), 10 * S)
    assert (message.name, message.cmd) == ("gripper", pytest.approx(1.0))


def test_an_arx_robot_command_has_joints_gripper_mode_and_stamp(
    robot, encoder_of, window_of, vendors, arm
):
    encoder = encoder_of(
        robot, type="arx_robot_cmd", joints=arm, mode=5, gripper={"open": 5.0, "closed": 0.0}
    )
    positions = np.array(STARTS)
    positions[6] = 0.7929
    message = encoder.encode(window_of(positions), 10 * S + 7)
    assert message.joint_pos == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    assert message.gripper == pytest.approx(0.0)
    assert message.mode == 5
    assert to_ns(message.header.stamp) == 10 * S + 7


def test_an_arx_joint_control_has_eight_places_the_gripper_in_the_seventh(
    robot, encoder_of, window_of, vendors, arm
):
    encoder = encoder_of(robot, type="arx_joint_control", joints=arm, mode=1)
    message = encoder.encode(window_of(STARTS), 10 * S)
    assert message.joint_pos == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.6, 0.0])
    assert message.mode == 1


def test_an_arx_lift_has_its_height(robot, encoder_of, window_of, vendors):
    encoder = encoder_of(robot, type="arx_lift", joints=("right_elbow_joint",))
    assert encoder.encode(window_of(STARTS), 10 * S).height == pytest.approx(0.9)


PACKAGES = {
    "gripper_command": ("control_msgs/action/GripperCommand", "ros-.ROS_DISTRO-control-msgs"),
    "parallel_gripper_command": (
        "control_msgs/action/ParallelGripperCommand", "ros-.ROS_DISTRO-control-msgs"
    ),
    "interbotix_group": ("interbotix_xs_msgs/msg/JointGroupCommand", "workspace of Interbotix"),
    "interbotix_single": ("interbotix_xs_msgs/msg/JointSingleCommand", "workspace of Interbotix"),
    "arx_robot_cmd": ("arx5_arm_msg/msg/RobotCmd", "workspace of ARX"),
    "arx_joint_control": ("arm_control/msg/JointControl", "workspace of ARX"),
    "arx_lift": ("arm_control/msg/PosCmd", "workspace of ARX"),
}  # fmt: skip


@pytest.mark.parametrize("type_", PACKAGES)
def test_a_missing_message_package_is_named_with_the_controller_and_the_remedy(
    robot, encoder_of, monkeypatch, arm, type_
):
    name, remedy = PACKAGES[type_]
    package, kind, _ = name.split("/")
    monkeypatch.setitem(sys.modules, f"{package}.{kind}", None)  # as if it were not installed
    joints = {7: arm, 1: (GRIPPER,)}[7 if type_.startswith("arx_") and type_ != "arx_lift" else 1]
    mode = {"mode": 1} if len(joints) == 7 else {}
    said = f"controller 'under_test' of type {type_} needs {name}: .*{remedy}.*simulation:=true"
    with pytest.raises(ImportError, match=said):
        encoder_of(robot, type=type_, joints=joints, **mode)


def test_a_package_without_the_message_is_named_too(robot, encoder_of, stand_in):
    stand_in("arm_control/msg")
    with pytest.raises(ImportError, match=r"needs arm_control/msg/PosCmd: .*no attribute 'PosCmd'"):
        encoder_of(robot, type="arx_lift", joints=("right_elbow_joint",))


def test_every_type_of_the_yaml_has_its_encoder():
    assert set(ENCODERS) == set(CONTROLLER_TYPES)
