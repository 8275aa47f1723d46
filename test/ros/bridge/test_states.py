from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sensor_msgs.msg import JointState

from pi0_ros.bridge.stamps import to_time
from pi0_ros.bridge.states import DECODERS, make_decoder
from pi0_ros.cli.check.contents import read
from pi0_ros.cli.check.observed import Stream
from pi0_ros.embodiment.controllers import StateSource

GRIPPER = "left_robotiq_85_left_knuckle_joint"
PAN = "left_shoulder_pan_joint"
STAMP = 3_000_000_007


def joint_state(**positions):
    message = JointState(name=list(positions), position=list(positions.values()))
    message.header.stamp = to_time(STAMP)
    return message


def test_a_joint_state_is_read_by_the_drivers_names_and_numbers(robot):
    source = StateSource(
        topic="feedback", joints=(PAN, GRIPPER), names=("joint1", "gripper"),
        gripper={"open": 0.08, "closed": 0.0},
    )  # fmt: skip
    decoder = make_decoder(source, robot)
    stamp_ns, positions = decoder.decode(joint_state(gripper=0.02, other=7.0, joint1=1.0))
    assert stamp_ns == STAMP
    np.testing.assert_allclose(positions, [1.0, 0.75 * 0.7929])


def test_a_joint_state_without_some_joints_is_refused_with_their_names(robot):
    source = StateSource(topic="feedback", joints=(PAN, GRIPPER), names=("joint1", "gripper"))
    decoder = make_decoder(source, robot)
    with pytest.raises(ValueError, match=r"^feedback lacks joint1, gripper$"):
        decoder.decode(joint_state(other=7.0))
    without_position = JointState(name=["joint1", "gripper"], position=[1.0])
    with pytest.raises(ValueError, match=r"^feedback lacks gripper$"):
        decoder.decode(without_position)


@pytest.fixture
def arx(robot, stand_in):
    stand_in("arx5_arm_msg/msg", RobotStatus=SimpleNamespace)
    joints = (*robot.arms["left"].joints, GRIPPER)
    gripper = {"open": -3.4, "closed": 0.0}
    source = StateSource(topic="info", type="arx_robot_status", joints=joints, gripper=gripper)
    return make_decoder(source, robot)


def status(places):
    return SimpleNamespace(header=SimpleNamespace(stamp=to_time(STAMP)), joint_pos=places)


def test_an_arx_status_is_read_by_place_with_its_stamp(arx):
    stamp_ns, positions = arx.decode(status([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, -1.7]))
    assert stamp_ns == STAMP
    np.testing.assert_allclose(positions, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.39645])


def test_an_arx_status_without_its_gripper_is_its_first_places(robot, stand_in):
    stand_in("arx5_arm_msg/msg", RobotStatus=SimpleNamespace)
    joints = robot.arms["left"].joints
    decoder = make_decoder(StateSource(topic="info", type="arx_robot_status", joints=joints), robot)
    _, positions = decoder.decode(status([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 9.0]))
    np.testing.assert_allclose(positions, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_an_arx_status_with_too_few_places_is_refused_with_the_names(arx):
    with pytest.raises(ValueError, match=f"^info lacks left_wrist_3_joint, {GRIPPER}$"):
        arx.decode(status([0.1, 0.2, 0.3, 0.4, 0.5]))


def test_the_height_of_an_arx_lift_has_no_stamp(robot, stand_in):
    stand_in("arm_control/msg", PosCmd=SimpleNamespace)
    source = StateSource(topic="body", type="arx_lift_status", joints=(PAN,))
    stamp_ns, positions = make_decoder(source, robot).decode(SimpleNamespace(height=0.31))
    assert stamp_ns is None
    np.testing.assert_array_equal(positions, [0.31])


def test_a_missing_message_package_is_named_with_the_topic(robot, monkeypatch):
    monkeypatch.setitem(sys.modules, "arx5_arm_msg.msg", None)
    source = StateSource(topic="info", type="arx_robot_status", joints=(PAN,))
    said = "states of 'info' of type arx_robot_status needs arx5_arm_msg/msg/RobotStatus.*of ARX"
    with pytest.raises(ImportError, match=said):
        make_decoder(source, robot)


@pytest.mark.parametrize(
    ("type_", "package", "kind", "message", "told"),
    [
        ("joint_state", None, None, JointState(name=["a", "b"], position=[0.5, 7.0]),
         {"a": 0.5, "b": 7.0}),
        ("arx_robot_status", "arx5_arm_msg/msg", "RobotStatus",
         SimpleNamespace(joint_pos=[0.5, 7.0]), {"a": 0.5}),
        ("arx_lift_status", "arm_control/msg", "PosCmd", SimpleNamespace(height=0.5), {"a": 0.5}),
    ],
)  # fmt: skip
def test_a_check_reads_every_type_in_the_drivers_names_and_numbers(
    robot, stand_in, type_, package, kind, message, told
):
    if package is not None:
        stand_in(package, **{kind: SimpleNamespace})
    source = StateSource(topic="t", type=type_, joints=(PAN,), names=("a",))
    assert read(Stream(), "any", message, make_decoder(source, robot)).numbers == told


def test_every_type_of_the_yaml_has_its_decoder():
    assert set(DECODERS) == set(StateSource.model_fields["type"].annotation.__args__)
