"""Shadow mode over DDS: how far the plans are from what the robot does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from pi0_msgs.msg import ExecutorStatus, ShadowError
from trajectory_msgs.msg import JointTrajectory

from pi0_ros.bridge.stamps import to_ns
from pi0_ros.nodes.chunk_executor_node import ChunkExecutorNode
from pi0_ros.nodes.shadow_reports import ShadowReports

MS = 1_000_000


@pytest.fixture
def reports(peer, robot):
    made = ShadowReports(peer.node, robot)
    yield made
    made.destroy()


def values_of(messages):
    """The newest entry of shadow mode as a dictionary, empty where there is none."""
    entries = [s for message in messages for s in message.status if s.name == "/peer: shadow mode"]
    return {value.key: value.value for value in entries[-1].values} if entries else {}


def test_the_differences_of_each_joint_are_told_again_and_again(peer, robot, reports):
    errors = peer.listen(ShadowError, "peer/shadow")
    chunk = peer.chunk()  # it stays at home
    off = np.zeros(len(robot.joints))
    off[3] = 0.25
    reports.take_chunk(chunk)
    for ms, pose in ((0, robot.home), (500, robot.home + off), (1000, robot.home - off / 5)):
        reports.take_pose(chunk.start_ns + ms * MS, pose)
    told = peer.until(lambda: errors and errors[-1])
    assert tuple(told.names) == robot.joint_names
    assert told.newest == pytest.approx(off / 5)
    assert told.mean == pytest.approx(off * 1.2 / 3)
    assert told.largest == pytest.approx(off)
    assert told.samples == 3
    assert to_ns(told.header.stamp) >= chunk.start_ns
    peer.until(lambda: len(errors) > 1)


def test_diagnostics_tell_each_joint_and_how_the_error_of_the_worst_one_grows(peer, robot, reports):
    heard = peer.listen(DiagnosticArray, "/diagnostics")
    chunk = peer.chunk()
    reports.take_chunk(chunk)
    for ms, by in ((0, 0.0), (500, 0.1), (1000, 0.3)):
        pose = np.array(robot.home)
        pose[3] += by
        reports.take_pose(chunk.start_ns + ms * MS, pose)
    peer.until(lambda: values_of(heard).get("poses compared") == "3")
    told, joint = values_of(heard), robot.joint_names[3]
    assert told[f"{joint}, |plan - measured|"] == "mean 0.1333, largest 0.3000"
    assert told[f"{robot.joint_names[0]}, |plan - measured|"] == "mean 0.0000, largest 0.0000"
    grows = {key: value for key, value in told.items() if "into a plan" in key}
    assert grows == {
        f"{joint}, mean 0 s and more into a plan": "0.0000",
        f"{joint}, mean 0.5 s and more into a plan": "0.1000",
        f"{joint}, mean 1 s and more into a plan": "0.3000",
    }
    levels = {s.level for m in heard for s in m.status if s.name == "/peer: shadow mode"}
    assert levels == {DiagnosticStatus.OK}  # an operator who does otherwise is no fault


def test_before_any_plan_zero_poses_are_told(peer, robot, reports):
    errors = peer.listen(ShadowError, "peer/shadow")
    reports.take_pose(peer.now_ns, robot.home)
    told = peer.until(lambda: errors and errors[-1])
    assert told.samples == 0
    assert not np.any(told.mean)


# --- the node ------------------------------------------------------------------------------------


def test_in_shadow_mode_the_plans_are_compared_with_what_the_operator_does(peer, robot, start):
    errors = peer.listen(ShadowError, "chunk_executor_node/shadow")
    status = peer.listen(ExecutorStatus, "chunk_executor_node/status")
    commands = peer.listen(JointTrajectory, robot.controllers[0].topic)
    start(ChunkExecutorNode, dry_run=True, enable_on_activate=True)
    away = np.array(robot.home)
    away[0] += 0.4  # the operator is elsewhere than the plan, which stays at home
    peer.until(lambda: status, lambda: peer.publish_pose(away))
    sequence = itertools.count()

    def go_on():
        peer.publish_pose(away)
        peer.publish_chunk(peer.chunk(sequence=next(sequence)))

    peer.until(lambda: errors and errors[-1].samples > 10, go_on, every_s=0.1)
    told = errors[-1]
    assert told.newest == pytest.approx(robot.home - away)
    assert told.mean == pytest.approx(away - robot.home)
    assert told.largest == pytest.approx(away - robot.home)
    assert status[-1].state == ExecutorStatus.EXECUTING  # nobody obeys, and that is no fault
    assert commands == []


def test_a_robot_that_is_commanded_is_not_compared(peer, robot, start):
    start(ChunkExecutorNode, enable_on_activate=True)
    status = peer.listen(ExecutorStatus, "chunk_executor_node/status")
    peer.until(lambda: status, peer.publish_pose)
    assert not peer.node.get_publishers_info_by_topic("/chunk_executor_node/shadow")


def test_each_activation_begins_a_comparison_of_its_own(peer, robot, start):
    errors = peer.listen(ShadowError, "chunk_executor_node/shadow")
    node = start(ChunkExecutorNode, dry_run=True, enable_on_activate=True)

    def go_on():
        peer.publish_pose()
        peer.publish_chunk(peer.chunk())

    peer.until(lambda: errors and errors[-1].samples > 0, go_on, every_s=0.1)
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        request = Transition(id=transition)
        name = f"{node.get_name()}/change_state"
        assert peer.call(ChangeState, name, transition=request).success
    errors.clear()
    assert peer.until(lambda: errors and errors[-1]).samples == 0
