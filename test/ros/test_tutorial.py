"""The robot of docs/tutorials/add_a_robot.md through the real nodes, by the tutorial's commands."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
from pi0_msgs.msg import ExecutorStatus
from pi0_msgs.srv import SetPrompt
from sensor_msgs.msg import JointState
from visualization_msgs.msg import MarkerArray

from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.markers import block_places
from pi0_ros.embodiment.kinematics import Chain
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.embodiment.vector import ordered
from pi0_ros.nodes import qos
from pi0_ros.simulation.task import REACHED_M, reach_goal

UP = [sys.executable, "-m", "pi0_ros.cli.main", "up", "so101.yaml"]
PROMPT = "arm reach the red block"
SLOW_CAMERAS = ["--param", "sim_robot_node.camera_rate_hz=10"]  # two cores render them


@pytest.fixture
def so101(so101_folder):
    return load_embodiment(str(so101_folder / "so101.yaml"), simulation=True)


@pytest.fixture
def up(so101_folder, tmp_path):
    """`pi0 up so101.yaml` in the tutorial's folder; its log is told at the end."""
    log = tmp_path / "log.txt"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*UP, *SLOW_CAMERAS], cwd=so101_folder, stdout=sink, stderr=sink, start_new_session=True
        )
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    print(log.read_text(errors="replace")[-3000:])


def test_the_tutorials_prompt_is_in_the_tutorial(tutorial):
    assert f'pi0 up so101.yaml --prompt "{PROMPT}"' in tutorial


def test_so101_reaches_the_block_as_the_tutorial_says(peer_of, so101, up):
    cell = peer_of(so101)
    status = cell.listen(ExecutorStatus, "chunk_executor_node/status")
    states = cell.listen(JointState, "joint_states", qos.JOINT_STATES)
    blocks = cell.listen(MarkerArray, "sim_robot_node/blocks", qos.LATCHED)
    tool = Chain(load_urdf(so101), "tool_point", so101.joint_names)

    def joints():
        return ordered(so101.joint_names, positions_by_name(states[-1]))

    def distance():
        goal = reach_goal(block_places(blocks[-1])["red"])
        return float(np.linalg.norm(tool.position(joints()) - goal))

    cell.until(lambda: states and blocks and status)
    assert distance() > 2 * REACHED_M
    assert cell.call(SetPrompt, "policy_node/set_prompt", prompt=PROMPT).success
    cell.until(lambda: distance() < REACHED_M)
    assert status[-1].largest_velocity_ratio <= 1.0
    cell.until(lambda: joints()[so101.index("gripper")] > 1.5)  # it opens its gripper, too
    up.send_signal(signal.SIGINT)
    assert up.wait(20) == 0
