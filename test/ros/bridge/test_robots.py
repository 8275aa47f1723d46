"""Every robot of this repository speaks to its real driver, whose messages may be stand-ins."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pi0_ros.bridge.commands import make_encoder
from pi0_ros.bridge.message_packages import SOURCES
from pi0_ros.bridge.states import make_decoder
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.horizon import CommandWindow


@pytest.fixture
def vendors(stand_in, message):
    class Gripper:
        class Goal:
            def __init__(self, command=None):
                self.command = command or SimpleNamespace()

    names = {
        "control_msgs/action": ("GripperCommand", "ParallelGripperCommand"),
        "interbotix_xs_msgs/msg": ("JointGroupCommand", "JointSingleCommand"),
        "arx5_arm_msg/msg": ("RobotCmd", "RobotStatus"),
        "arm_control/msg": ("JointControl", "PosCmd"),
    }
    assert {name.split("/")[0] for name in names} == set(SOURCES)
    for name, types in names.items():
        stand_in(name, **dict.fromkeys(types, Gripper if name.endswith("action") else message))


@pytest.mark.parametrize("name", known_embodiments())
@pytest.mark.parametrize("tf_prefix", ["", "cell_"])
def test_each_controller_and_source_of_each_robot_is_served(vendors, name, tf_prefix):
    robot = load_embodiment(name, tf_prefix=tf_prefix)
    row = np.zeros((1, len(robot.axes)))
    row[:, robot.joint_columns] = robot.home
    home = CommandWindow(0, 2_000_000, row, 0 * row)
    for controller in robot.controllers:
        assert make_encoder(controller, robot).encode(home, 0) is not None
    for source in robot.state_sources:
        assert make_decoder(source, robot).message_type is not None
