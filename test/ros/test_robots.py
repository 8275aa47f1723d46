"""Every robot of this repository, driven through its real nodes in simulation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry
from pi0_msgs.msg import ExecutorStatus
from pi0_msgs.srv import GetActionChunk
from sensor_msgs.msg import JointState

from pi0_ros.bridge.chunks import decode_chunk, encode_chunk
from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.embodiment.axes import BaseAxis
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import ordered, padded, state_to_model
from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.execution.executor import State
from pi0_ros.execution.limits import JointLimits
from pi0_ros.nodes import qos
from pi0_ros.nodes.observation_streams import ObservationStreams
from pi0_ros.observation.assembler import Freshness
from pi0_ros.observation.observation import NotReady
from pi0_ros.policy.checkpoints.random_checkpoint import STD, write_random_checkpoint

ROBOTS = (
    "ur5e", "ur5e_bimanual", "franka", "trossen_bimanual", "arx_bimanual", "agilex_bimanual",
    "trossen_mobile", "arx_mobile", "fibocom_mobile",
)  # fmt: skip
BASE = {"x": -0.2, "y": -0.1, "yaw": 0.3}  # [m/s, m/s, rad/s], away from the table
SLOW_CAMERAS = ("--param", "sim_robot_node.camera_rate_hz=5")  # two cores render them
# The goal comes in one step, and grippers need a whole chunk to close: the limits of the axes are
# to be seen, not those of the gate.
UNGATED = [
    word
    for setting in (
        "gate_velocity=play",
        "gate_acceleration=play",
        "gate_slowest=0.01",
        "open_loop_steps=50",
        "realtime_priority=20",  # where the kernel allows it: the machine is busy with the rest
    )
    for word in ("--param", f"chunk_executor_node.{setting}")
]
START_UP_S = 60.0  # three processes that import torch and MuJoCo on two cores that others use
STEP = 0.08  # of arm joints and lifts [rad or m], over a chunk


@pytest.fixture(params=ROBOTS)
def machine(request: pytest.FixtureRequest) -> Embodiment:
    return load_embodiment(request.param, simulation=True)


@pytest.fixture
def running(machine: Embodiment, tmp_path: Path) -> Iterator[subprocess.Popen]:
    """`pi0 up` of the robot with a small π0 that was told nothing yet."""
    write_random_checkpoint(tmp_path / "checkpoint", machine, seed=1)
    words = [
        "up",
        machine.name,
        *SLOW_CAMERAS,
        "--policy",
        "pi0",
        "--checkpoint",
        str(tmp_path / "checkpoint"),
        *UNGATED,
    ]
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pi0_ros.cli.main", *words], stdout=log, stderr=log
        )
    yield process
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
    print((tmp_path / "log.txt").read_text(errors="replace")[-3000:])


def goal_of(machine: Embodiment) -> np.ndarray:
    """Where the test brings each joint, (J,): arms a little inwards, grippers closed."""
    goal = []
    for joint in machine.joints:
        if joint.gripper is not None:
            goal.append(np.clip(joint.gripper.closed, joint.lower, joint.upper))
        else:
            inwards = 1.0 if joint.home < (joint.lower + joint.upper) / 2 else -1.0
            goal.append(joint.home + STEP * inwards)
    return np.array(goal)


def action(machine: Embodiment, joints: np.ndarray, speed: float) -> np.ndarray:
    """One action, (A,): joints (J,) and a share of the base's test velocities."""
    values = np.zeros(len(machine.axes))
    values[machine.joint_columns] = joints
    for column, axis in enumerate(machine.axes):
        if isinstance(axis, BaseAxis):
            values[column] = speed * BASE[axis.direction]
    return values


def chunk_to(machine: Embodiment, now_ns: int, sequence: int) -> ActionChunk:
    """From home to the goal in one step, which no robot can follow; the base drives meanwhile."""
    rows = [
        action(machine, goal_of(machine) if i >= 15 else machine.home, float(i < 40))
        for i in range(machine.policy.horizon)
    ]
    return ActionChunk(
        machine.axis_names, action_kinds(machine), np.array(rows), now_ns,
        machine.policy.period_ns, sequence,
    )  # fmt: skip


def driven(twists: list[tuple[int, Twist]]) -> np.ndarray:
    """Integrate velocities in the base's frame to a pose (x, y, yaw) [m, rad]."""
    pose = np.zeros(3)
    for (start_ns, twist), (end_ns, _) in pairwise(twists):
        dt = (end_ns - start_ns) / 1e9
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        x, y = twist.linear.x, twist.linear.y
        pose += dt * np.array([cos * x - sin * y, sin * x + cos * y, twist.angular.z])
    return pose


def pose_of(message: Odometry) -> np.ndarray:
    at = message.pose.pose
    yaw = 2 * np.arctan2(at.orientation.z, at.orientation.w)
    return np.array([at.position.x, at.position.y, yaw])


def test_a_robot_is_seen_and_moved_as_its_yaml_says(machine, peer_of, running):
    cell = peer_of(machine)
    status = cell.listen(ExecutorStatus, "chunk_executor_node/status")
    states = cell.listen(JointState, "joint_states", qos.JOINT_STATES)
    commands = cell.listen(JointState, "chunk_executor_node/command", qos.COMMANDS)
    twists = listen_to_base(machine, cell)
    odometry = cell.listen(Odometry, machine.base.odometry) if machine.base else []
    streams = ObservationStreams(cell.node, machine, Freshness(), "raw")
    names = machine.joint_names

    # It is seen: every camera, and every joint at its index of the model's vector.
    seen = cell.until(
        lambda: observation(streams, cell) if status and states else None, within_s=START_UP_S
    )
    assert set(seen.images) == {camera.name for camera in machine.cameras}
    vector = state_to_model(machine, seen.state)
    for joint in machine.state_joints:
        wanted = joint.home
        if joint.gripper is not None:
            g = joint.gripper
            share = (joint.home - g.open) / (g.closed - g.open)
            wanted = g.model_open + share * (g.model_closed - g.model_open)
        assert vector[joint.index] == pytest.approx(wanted, abs=0.03), joint.name
    for width in machine.paddings.values():
        assert not padded(vector, width)[len(vector) :].any()

    # Its policy plans about home, in the robot's units.
    def ask() -> GetActionChunk.Response:
        return cell.call(GetActionChunk, "policy_node/get_action_chunk", prompt="anything")

    plan = cell.until(lambda: (answer := ask()).success and answer, within_s=START_UP_S)
    planned = decode_chunk(plan.chunk)
    assert (planned.names, planned.kinds) == (machine.axis_names, action_kinds(machine))
    spans = [
        abs((j.gripper.closed - j.gripper.open) / (j.gripper.model_closed - j.gripper.model_open))
        if j.gripper else 1.0
        for j in machine.joints
    ]  # fmt: skip
    about = np.abs(planned.actions[:, machine.joint_columns] - machine.home)
    assert (about < 6 * STD * np.maximum(spans, 1e-9)).all()

    # It is moved: joints, lift and grippers reach the goal, within all limits.
    publisher = cell.node.create_publisher(type(plan.chunk), "policy_node/action_chunk", qos.CHUNKS)
    cell.until(lambda: publisher.get_subscription_count())
    sent = [0]

    def reached() -> bool:
        here = ordered(names, positions_by_name(states[-1]))
        return bool((np.abs(here - goal_of(machine)) < tolerance(machine)).all())

    def send() -> None:
        if not sent[0] or (status[-1].state == State.HOLDING and not reached()):
            sent[0] += 1
            publisher.publish(encode_chunk(chunk_to(machine, cell.now_ns, sent[0]), machine.name))

    # A machine that stalls the executor makes it begin anew, with the next chunk.
    cell.until(lambda: status[-1].chunks_accepted and reached(), send, within_s=START_UP_S)
    cell.until(lambda: status[-1].state == State.HOLDING)
    assert 0.01 < max(one.largest_velocity_ratio for one in status) <= 1.0
    assert_within_limits(machine, commands)

    # Its base has moved by the integral of what was commanded, and stands.
    if machine.base is not None:
        cell.until(lambda: stands(odometry[-1]) and stands_still(twists[-1][1]))
        np.testing.assert_allclose(pose_of(odometry[-1]), driven(twists), atol=0.02)
        assert np.linalg.norm(pose_of(odometry[-1])) > 0.1
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 0


def assert_within_limits(machine: Embodiment, commands: list[JointState]) -> None:
    """Judge what was commanded by itself, not by what the executor says of it."""
    assert len(commands) > 20
    assert all(tuple(one.name) == machine.axis_names for one in commands)
    positions = np.array([one.position for one in commands])[:, machine.joint_columns]
    velocities = np.array([one.velocity for one in commands])
    lower, upper, speed, acceleration = (
        np.array([getattr(axis, key) for axis in axes])
        for key, axes in (
            ("lower", machine.joints), ("upper", machine.joints),
            ("velocity", machine.axes), ("acceleration", machine.axes),
        )
    )  # fmt: skip
    assert ((lower - 1e-9 <= positions) & (positions <= upper + 1e-9)).all()
    assert (np.abs(velocities) <= speed + 1e-9).all()
    stopping = JointLimits.of(machine).stopping(machine).acceleration  # of a base, in time
    period_ns = machine.command.period_ns  # a command is the sample at or before its stamp
    for (first, before), (second, after) in pairwise(zip(commands, velocities, strict=True)):
        passed_ns = to_ns(second.header.stamp) - to_ns(first.header.stamp) + 2 * period_ns
        most = np.where(np.abs(after) < np.abs(before), stopping, acceleration)
        over = np.abs(after - before) - most * passed_ns / 1e9
        assert over.max() <= 1e-6, (passed_ns, over.argmax(), before, after)


def tolerance(machine: Embodiment) -> np.ndarray:
    """How close counts as reached, (J,): 10 mrad or mm, a tenth of its way for a gripper."""
    return np.array(
        [abs(j.gripper.closed - j.gripper.open) / 10 if j.gripper else 0.01 for j in machine.joints]
    )


def observation(streams, cell):
    found = streams.snapshot(cell.now_ns, "anything")
    return None if isinstance(found, NotReady) else found


def listen_to_base(machine: Embodiment, cell: Any) -> list[tuple[int, Any]]:
    """Collect all of the base's commands with the instant at which they were sent [ns]."""
    heard: list[tuple[int, Any]] = []

    def on_twist(message: Twist, info: dict[str, int]) -> None:
        heard.append((info["source_timestamp"], message))

    def on_stamped(message: TwistStamped) -> None:
        heard.append((to_ns(message.header.stamp), message.twist))

    forms = {"twist": (Twist, on_twist), "twist_stamped": (TwistStamped, on_stamped)}
    for controller in machine.controllers:
        if controller.type in forms:
            kind, hear = forms[controller.type]
            cell.node.create_subscription(kind, controller.topic, hear, qos.EVERY_CYCLE)
    return heard


def stands_still(twist: Twist) -> bool:
    return max(abs(twist.linear.x), abs(twist.linear.y), abs(twist.angular.z)) < 1e-3


def stands(message: Odometry) -> bool:
    return stands_still(message.twist.twist)
