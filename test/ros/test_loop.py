"""The whole loop as a user runs it: `pi0 up` with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pi0_msgs.msg import ExecutorStatus
from pi0_msgs.srv import SetPrompt
from sensor_msgs.msg import JointState
from visualization_msgs.msg import MarkerArray

from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.markers import block_places
from pi0_ros.embodiment.kinematics import Chain
from pi0_ros.embodiment.loading import load_urdf
from pi0_ros.embodiment.vector import ordered
from pi0_ros.execution.executor import State
from pi0_ros.nodes import qos
from pi0_ros.simulation.task import REACHED_M, reach_goal

PROMPT = "right arm reach the red block"
SLOW_CAMERAS = ["--param", "sim_robot_node.camera_rate_hz=10"]  # two cores render them
PI0 = [sys.executable, "-m", "pi0_ros.cli.main"]


@pytest.fixture
def up(tmp_path):
    """Start `pi0 up` and end it, whatever happens."""
    running = []

    def run(*arguments):
        log = (tmp_path / "log.txt").open("w")
        process = subprocess.Popen(
            [*PI0, "up", "ur5e_bimanual", *SLOW_CAMERAS, *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running.append((process, log))
        return process

    yield run
    for process, log in running:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(20)
        log.close()


def pid_of(module):
    """Process id of a node in this test's ROS domain, found by its command line."""
    ours = f"ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if f"pi0_ros.nodes.{module}".encode() in words and ours in environment:
            return int(process.name)
    raise AssertionError(f"no process runs {module}")


def test_the_named_arm_reaches_the_named_block_through_ros(peer, up, robot):
    status = peer.listen(ExecutorStatus, "chunk_executor_node/status")
    states = peer.listen(JointState, "joint_states", qos.JOINT_STATES)
    blocks = peer.listen(MarkerArray, "sim_robot_node/blocks", qos.LATCHED)
    process = up()
    tool = Chain(load_urdf(robot), robot.arms["right"].tool_link, robot.joint_names)

    def distance():
        state = ordered(robot.joint_names, positions_by_name(states[-1]))
        goal = reach_goal(block_places(blocks[-1])["red"])
        return float(np.linalg.norm(tool.position(state) - goal))

    peer.until(lambda: states and blocks and status)
    assert distance() > 0.1
    assert peer.call(SetPrompt, "policy_node/set_prompt", prompt=PROMPT).success
    peer.until(lambda: distance() < REACHED_M)
    assert status[-1].largest_velocity_ratio <= 1.0
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_the_exit_code_tells_which_node_died(peer, up):
    status = peer.listen(ExecutorStatus, "chunk_executor_node/status")
    process = up("--prompt", PROMPT)
    peer.until(lambda: status and status[-1].state == State.EXECUTING)
    os.kill(pid_of("chunk_executor_node"), signal.SIGKILL)
    assert process.wait(20) == 11


def test_the_executor_holds_with_a_reason_when_the_policy_is_frozen(peer, up):
    status = peer.listen(ExecutorStatus, "chunk_executor_node/status")
    up("--prompt", PROMPT)
    peer.until(lambda: status and status[-1].state == State.EXECUTING)
    pid = pid_of("policy_node")
    os.kill(pid, signal.SIGSTOP)
    peer.until(lambda: status[-1].reason == "chunk_stale")
    assert status[-1].state == State.HOLDING
    os.kill(pid, signal.SIGCONT)
    peer.until(lambda: status[-1].state == State.EXECUTING)


def test_simulated_time_drives_the_whole_loop(peer, up):
    status = peer.listen(ExecutorStatus, "chunk_executor_node/status")
    up("--prompt", PROMPT, "--use-sim-time")
    peer.until(lambda: status and status[-1].state == State.EXECUTING)
    assert status[-1].header.stamp.sec < 60  # simulated, not today's
    assert status[-1].chunk_age.sec < 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["up", "ur5e_bimanul"], 2, "Did you mean 'ur5e_bimanual'?"),
        (["up", "ur5e_bimanual", "--policy", "scriptd"], 2, "policy 'scriptd' is unknown"),
        (["up", "ur5e_bimanual", "--policy", "pi0"], 10, "needs a checkpoint"),
        (["up", "ur5e_bimanual", "--policy", "pi0", "--checkpoint", "/none"], 10, "'/none' is not"),
        (["up", "ur5e_bimanual", "--prompt", "dance"], 10, "must name one arm of left, right"),
        (["up", "ur5e_bimanual", "--param", "seed=3"], 2, "must look like"),
    ],
)
def test_a_mistake_at_start_is_an_error_that_names_it(arguments, code, said):
    ended = subprocess.run(
        [*PI0, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert said in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.returncode == code
