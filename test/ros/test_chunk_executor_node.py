"""chunk_executor_node over DDS: commands, holds with reasons, stops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Twist
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from pi0_msgs.msg import ExecutorStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64, Float64MultiArray
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from pi0_ros.bridge.chunks import encode_chunk
from pi0_ros.bridge.trajectories import committed
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.executor import State
from pi0_ros.nodes import qos
from pi0_ros.nodes.chunk_executor_node import ChunkExecutorNode

LEFT = "left_scaled_joint_trajectory_controller/joint_trajectory"
RIGHT = LEFT.replace("left", "right", 1)
GRIPPER = "left_gripper_controller/commands"
STATUS = "chunk_executor_node/status"


@pytest.fixture
def status(peer):
    return peer.listen(ExecutorStatus, STATUS)


@pytest.fixture
def executing(peer, start, status):
    """A node that plays a chunk; the peer keeps publishing the pose."""
    start(ChunkExecutorNode, enable_on_activate=True)
    play(peer, status)
    return status


def play(peer, status, goal=None, until=lambda status: status.state == State.EXECUTING):
    """Publish one chunk and wait; where this process stalled meanwhile, publish it again."""

    def go_on():
        peer.publish_pose()
        if status[-1].reason == "stalled":
            peer.publish_chunk(peer.chunk(goal))

    peer.until(lambda: status and status[-1].reason in {"no_chunk", "stalled"}, peer.publish_pose)
    peer.publish_chunk(peer.chunk(goal))
    peer.until(lambda: until(status[-1]), go_on, every_s=0.05)


def reason_is(status, code):
    return lambda: status and status[-1].reason == code


def test_an_arm_is_commanded_only_once_its_controller_listens(peer, start, status):
    peer.stop_controllers()
    start(ChunkExecutorNode, enable_on_activate=True)
    peer.until(reason_is(status, "controller_missing"), peer.publish_pose)
    assert LEFT in status[-1].detail
    assert RIGHT in status[-1].detail
    left = peer.listen(JointTrajectory, LEFT)
    peer.until(lambda: LEFT not in status[-1].detail, peer.publish_pose)
    assert (status[-1].reason, left) == ("controller_missing", [])
    right = peer.listen(JointTrajectory, RIGHT)
    peer.until(lambda: left and right, peer.publish_pose)
    peer.until(reason_is(status, "no_chunk"), peer.publish_pose)


def test_it_waits_for_enable_before_it_commands(peer, start, status):
    commands = peer.listen(JointTrajectory, LEFT)
    start(ChunkExecutorNode)
    peer.until(reason_is(status, "not_enabled"), peer.publish_pose)
    assert status[-1].state == State.DISABLED
    peer.call(SetBool, "chunk_executor_node/enable", data=True)
    is_on = lambda: commands and status[-1].state != State.DISABLED  # noqa: E731
    peer.until(is_on, peer.publish_pose)
    # The first command that was ever heard came after enabling, and holds the measured pose.
    assert np.allclose(commands[0].points[0].positions, peer.robot.home[:6])


def test_it_says_that_no_joint_states_came(peer, start, status):
    start(ChunkExecutorNode, enable_on_activate=True)
    peer.until(reason_is(status, "joint_states_missing"))
    assert "no joint_states yet" in status[-1].detail


def test_it_names_the_joint_that_joint_states_lack(peer, start, status):
    start(ChunkExecutorNode, enable_on_activate=True)
    peer.until(
        lambda: status and "left_elbow_joint" in status[-1].detail,
        lambda: peer.publish_pose(without="left_elbow_joint"),
    )
    assert (status[-1].state, status[-1].reason) == (State.HOLDING, "joint_states_missing")


def test_it_holds_when_joint_states_go_stale_and_goes_on_when_they_return(peer, executing):
    peer.until(reason_is(executing, "joint_states_stale"))
    assert executing[-1].state == State.HOLDING
    peer.publish_chunk(peer.chunk())
    peer.until(lambda: executing[-1].state == State.EXECUTING, peer.publish_pose)


def test_a_chunk_reaches_each_controller_as_its_yaml_says(peer, start, status, robot):
    goal = np.array(robot.home)
    goal[robot.index("left_elbow_joint")] += 0.1
    goal[robot.index("left_robotiq_85_left_knuckle_joint")] = 0.1
    trajectories = peer.listen(JointTrajectory, LEFT)
    gripper = peer.listen(Float64MultiArray, GRIPPER)
    start(ChunkExecutorNode, enable_on_activate=True, tracking_error=1.0, open_loop_steps=100)
    play(peer, status, goal, until=lambda status: status.reason == "chunk_exhausted")
    assert trajectories[-1].joint_names == list(robot.controllers[0].joints)
    assert np.allclose(trajectories[-1].points[-1].positions, goal[:6], atol=1e-6)
    # The gripper is streamed: its value of this instant follows once the horizon has passed.
    peer.until(lambda: np.allclose(gripper[-1].data, [0.1], atol=1e-6), peer.publish_pose)
    assert "due" in status[-1].detail


def test_rolling_windows_agree_where_they_overlap(peer, start, status, robot):
    goal = np.array(robot.home)
    goal[0] += 0.3
    windows = peer.listen(JointTrajectory, LEFT)
    start(ChunkExecutorNode, enable_on_activate=True, tracking_error=1.0)
    play(peer, status, goal)
    peer.until(lambda: len(windows) > 60, peer.publish_pose)
    seen: dict[int, list[float]] = {}
    for window in windows:
        start_ns = window.header.stamp.sec * 10**9 + window.header.stamp.nanosec
        for point in committed(window):
            at_ns = start_ns + point.time_from_start.nanosec
            assert seen.setdefault(at_ns, list(point.positions)) == list(point.positions)


def bad_chunks(peer):
    good = peer.chunk()
    spoiled = np.array(good.actions)
    spoiled[3, 2] = np.nan
    names = ("left_shoulder_pan_joint", *(f"other_{i}" for i in range(13)))
    return {
        "chunk_not_finite": replace(good, actions=spoiled),
        "chunk_names": replace(good, names=names),
        "chunk_period": replace(good, period_ns=10**7),
    }


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("chunk_not_finite", "action 3 of left_elbow_joint is nan"),
        ("chunk_names", "unknown other_0"),
        ("chunk_period", "10000000 ns"),
    ],
)
def test_a_bad_chunk_means_hold_with_a_reason_and_a_good_one_ends_it(peer, executing, code, said):
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")
    bad = bad_chunks(peer)[code]
    peer.until(
        lambda: executing[-1].state == State.HOLDING and executing[-1].reason == code,
        lambda: (peer.publish_pose(), peer.publish_chunk(bad)),
        every_s=0.05,
    )
    assert said in executing[-1].detail
    assert said in executing[-1].last_rejection
    warned = lambda: [  # noqa: E731
        s for m in diagnostics for s in m.status if code in s.message
    ]
    found = peer.until(warned, peer.publish_pose)
    assert found[-1].level == DiagnosticStatus.WARN
    peer.publish_chunk(peer.chunk())
    peer.until(lambda: executing[-1].state == State.EXECUTING, peer.publish_pose)


def test_a_chunk_from_the_past_means_hold_with_a_reason(peer, start, status):
    start(ChunkExecutorNode, enable_on_activate=True)
    peer.until(reason_is(status, "no_chunk"), peer.publish_pose)
    old = replace(peer.chunk(), start_ns=peer.now_ns - 10**10)
    peer.publish_chunk(old)
    peer.until(reason_is(status, "chunk_expired"), peer.publish_pose)
    assert status[-1].state == State.HOLDING
    assert "its last action was due 7.5" in status[-1].detail


def test_a_late_sibling_of_the_chunk_being_played_changes_nothing(peer, executing):
    old = replace(peer.chunk(), start_ns=peer.now_ns - 10**10)
    peer.publish_chunk(old)
    peer.until(lambda: "chunk_superseded" in executing[-1].last_rejection, peer.publish_pose)
    assert executing[-1].state == State.EXECUTING


def test_a_message_whose_sizes_do_not_fit_is_malformed_not_a_crash(peer, executing):
    message = encode_chunk(peer.chunk(), "ur5e_bimanual")
    message.actions = message.actions[:-1]
    peer.publish("action_chunk", message, qos.CHUNKS)
    peer.until(reason_is(executing, "chunk_malformed"), peer.publish_pose)
    assert "699 actions for 14 names" in executing[-1].detail


def test_stop_ends_the_commands_until_reset(peer, executing):
    commands = peer.listen(JointTrajectory, LEFT)
    assert peer.call(Trigger, "chunk_executor_node/stop").success
    peer.until(lambda: executing[-1].state == State.STOPPED, peer.publish_pose)
    peer.until(lambda: executing[-1].clock_rate == 0.0, peer.publish_pose)
    assert executing[-1].reason == "stop_requested"
    count = len(executing)
    peer.until(lambda: len(executing) > count + 2, peer.publish_pose)
    commands.clear()
    count = len(executing)
    peer.until(lambda: len(executing) > count + 2, peer.publish_pose)
    assert commands == []
    assert peer.call(Trigger, "chunk_executor_node/reset").success
    peer.until(lambda: commands, peer.publish_pose)
    peer.until(reason_is(executing, "no_chunk"), peer.publish_pose)


def press(peer, profile):
    peer.publish("estop", Bool(data=True), profile)
    peer.publish_pose()


def test_an_emergency_stop_pressed_before_activation_counts(peer, start, status):
    peer.publish("estop", Bool(data=True), qos.LATCHED)
    start(ChunkExecutorNode, enable_on_activate=True)
    peer.until(reason_is(status, "estop"), peer.publish_pose)
    change = "chunk_executor_node/change_state"
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        assert peer.call(ChangeState, change, transition=Transition(id=transition)).success
    status.clear()
    peer.until(reason_is(status, "estop"), peer.publish_pose)


@pytest.mark.parametrize("profile", [qos.LATCHED, qos.STATUS], ids=["latched", "volatile"])
def test_the_emergency_stop_latches_until_it_is_released_and_reset(peer, executing, profile):
    peer.publish("estop", Bool(data=False), profile)
    peer.until(lambda: executing[-1].state == State.STOPPED, lambda: press(peer, profile))
    assert executing[-1].reason == "estop"
    refused = peer.call(Trigger, "chunk_executor_node/reset")
    assert not refused.success
    assert "release it" in refused.message
    peer.publish("estop", Bool(data=False), profile)
    peer.until(lambda: peer.call(Trigger, "chunk_executor_node/reset").success, peer.publish_pose)
    peer.until(reason_is(executing, "no_chunk"), peer.publish_pose)


def test_the_speed_slider_slows_the_trajectory_clock(peer, executing):
    def publish() -> None:
        peer.publish_pose()
        peer.publish_chunk(peer.chunk())
        peer.publish("speed_scaling", Float64(data=0.5))

    peer.until(lambda: abs(executing[-1].clock_rate - 0.5) < 1e-6, publish, every_s=0.05)
    assert executing[-1].speed_scaling == 0.5


def test_a_dry_run_computes_everything_and_commands_nothing(peer, start, status):
    commands = peer.listen(JointTrajectory, LEFT)
    echo = peer.listen(JointState, "chunk_executor_node/command")
    start(ChunkExecutorNode, enable_on_activate=True, dry_run=True)
    play(peer, status)
    peer.until(lambda: len(echo) > 10, peer.publish_pose)
    assert commands == []
    assert echo[-1].name == list(peer.robot.joint_names)


@pytest.mark.parametrize("ends", ["deactivated", "released"])
def test_a_base_that_is_driven_is_told_to_stand_when_a_run_ends(peer_of, start, ends):
    robot = load_embodiment("trossen_mobile", simulation=True)
    peer = peer_of(robot)
    status, twists = peer.listen(ExecutorStatus, STATUS), peer.listen(Twist, "mobile_base/cmd_vel")
    node = start(ChunkExecutorNode, embodiment=robot.name, simulation=True, enable_on_activate=True)
    action = np.zeros(len(robot.axes))
    action[robot.joint_columns] = robot.home
    action[robot.index("base_x")] = 0.3

    def drive():
        peer.publish_pose()
        if status and status[-1].reason in {"no_chunk", "stalled"}:
            peer.publish_chunk(peer.chunk(robot.home, actions=np.tile(action, (50, 1))))

    peer.until(lambda: twists and twists[-1].linear.x > 0.1, drive)
    if ends == "deactivated":
        node.trigger_deactivate()
    else:
        peer.call(SetBool, "chunk_executor_node/enable", data=False)
    peer.until(lambda: twists[-1].linear.x == 0.0, peer.publish_pose)
    assert max(twist.linear.x for twist in twists) <= 0.3 + 1e-9
