from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from pi0_ros.cli.check.finding import Finding, Level
from pi0_ros.cli.check.messages import check_messages
from pi0_ros.embodiment.spec import Embodiment

Changed = Callable[..., Embodiment]
Fault = Callable[..., Finding]


def test_a_missing_message_package_is_told_once_with_where_to_get_it(
    monkeypatch: pytest.MonkeyPatch, changed: Changed, the_fault: Fault
) -> None:
    pytest.importorskip("sensor_msgs", reason="no ROS 2: make setup installs it")
    monkeypatch.setitem(sys.modules, "control_msgs", None)
    monkeypatch.setitem(sys.modules, "control_msgs.action", None)
    found, types = check_messages(changed())
    fault = the_fault(found)
    assert fault.said == "control_msgs is not installed; needed by controller grip"
    assert fault.remedy.startswith("install ros-$ROS_DISTRO-control-msgs; --simulation does")
    assert types == {
        "joint_states": "sensor_msgs/msg/JointState",
        "slide/commands": "std_msgs/msg/Float64MultiArray",
        "cmd_vel": "geometry_msgs/msg/Twist",
    }


def test_a_controller_that_its_output_refuses_is_found(
    monkeypatch: pytest.MonkeyPatch, changed: Changed
) -> None:
    pytest.importorskip("sensor_msgs", reason="no ROS 2: make setup installs it")
    from pi0_ros.bridge import commands

    def refuse(*_: Any) -> None:
        raise ValueError("no such gripper")

    monkeypatch.setitem(commands.ENCODERS, "gripper_command", refuse)
    robot = changed()
    (grip,) = (one for one in robot.controllers if one.type == "gripper_command")
    faults = [found for found in check_messages(robot)[0] if found.said == "no such gripper"]
    assert [fault.topic for fault in faults] == [f"controller {grip.name}"]


def test_without_ros_messages_are_not_checked(
    monkeypatch: pytest.MonkeyPatch, changed: Changed, the_fault: Fault
) -> None:
    monkeypatch.setitem(sys.modules, "pi0_ros.bridge.commands", None)
    found, types = check_messages(changed())
    assert the_fault(found, Level.NOT_CHECKED).said.startswith("no ROS 2 here")
    assert types == {}
