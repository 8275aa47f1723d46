"""Commands to real drivers and states from them, over DDS."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import yaml
from geometry_msgs.msg import Twist, TwistStamped
from pi0_msgs.action import RunTask
from pi0_msgs.msg import ExecutorStatus
from rcl_interfaces.msg import Log
from rclpy.action import ActionClient, ActionServer, GoalResponse
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64, Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from pi0_ros.bridge.commands import ENCODERS
from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.bridge.stamps import to_time
from pi0_ros.embodiment.files import find_embodiment
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.executor import State
from pi0_ros.execution.horizon import CommandWindow
from pi0_ros.nodes.chunk_executor_node import ChunkExecutorNode
from pi0_ros.nodes.command_outputs import CommandOutputs
from pi0_ros.nodes.goal_output import GoalOutput
from pi0_ros.nodes.state_streams import StateStreams

NUMBERS = count()
DOCS = Path(__file__).resolve().parents[2] / "docs/outputs.md"
MS = 1_000_000
GRIPPER = "left_robotiq_85_left_knuckle_joint"  # 0 open, 0.7929 closed [rad]
LEFT = [
    *(f"left_{name}_joint" for name in ("shoulder_pan", "shoulder_lift", "elbow")),
    *(f"left_wrist_{i}_joint" for i in (1, 2, 3)),
]
BASE = {
    "frame": "base_footprint",
    "timeout_ms": 300,
    "axes": [
        {"name": "base_x", "index": 14, "direction": "x", "velocity": 1.0, "acceleration": 1.0},
        {"name": "base_yaw", "index": 15, "direction": "yaw", "velocity": 1.0, "acceleration": 1.0},
    ],
}


@pytest.fixture
def robot_file(tmp_path):
    """Write the robot's YAML with other keys; a controller takes its joints from the others."""

    def write(*controllers, **changes):
        described = yaml.safe_load(find_embodiment("ur5e_bimanual").read_text())
        taken = {joint for controller in controllers for joint in controller["joints"]}
        for each in described["controllers"]:
            each["joints"] = [joint for joint in each["joints"] if joint not in taken]
        rest = [each for each in described["controllers"] if each["joints"]]
        described |= {"controllers": [*controllers, *rest], **changes}
        path = tmp_path / "robot.yaml"
        path.write_text(yaml.safe_dump(described))
        return str(path)

    return write


@pytest.fixture
def node():
    """A node of ours that carries outputs; whoever wants its callbacks, spins it."""
    made = Node(f"carrier_{next(NUMBERS)}")  # of the same name, the next one's log would be lost
    yield made
    made.destroy_node()


@pytest.fixture
def spin(node):
    """Spin the node once: what its executor of callbacks does in a thread."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    yield lambda: executor.spin_once(timeout_sec=0.01)
    executor.shutdown()


def window(robot, positions=None, velocity=0.0):
    """One sample: home unless positions by name are given; bases at a velocity."""
    values = dict(zip(robot.joint_names, robot.home, strict=True)) | (positions or {})
    row = np.array([[values.get(name, 0.0) for name in robot.axis_names]])
    return CommandWindow(0, 2 * MS, row, np.full_like(row, velocity))


# --- commands ---------------------------------------------------------------------------------

ARM = {"joints": LEFT, "names": [f"joint{i}" for i in range(6)]}
HAND = {"joints": [GRIPPER], "gripper": {"open": 1.0, "closed": 0.0}}
BOTH = {"joints": [*LEFT, GRIPPER], "gripper": {"open": 1.0, "closed": 0.0}}
DRIVE = {"joints": ["base_x", "base_yaw"]}
AT = {name: 0.25 * i for i, name in enumerate(LEFT)} | {GRIPPER: 0.7929 / 4}
QUARTERS = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
COMMANDS = {
    "joint_trajectory": (ARM, JointTrajectory, lambda m: (m.joint_names, m.points[0].positions)),
    "forward_position": (HAND, Float64MultiArray, lambda m: m.data),
    "joint_state": (ARM, JointState, lambda m: (m.name, m.position)),
    "twist": (DRIVE, Twist, lambda m: (m.linear.x, m.angular.z)),
    "twist_stamped": (DRIVE, TwistStamped, lambda m: (m.twist.linear.x, m.twist.angular.z)),
    "interbotix_group": (ARM, "interbotix_xs_msgs.msg.JointGroupCommand", lambda m: m.cmd),
    "interbotix_single": (HAND, "interbotix_xs_msgs.msg.JointSingleCommand", lambda m: m.cmd),
    "arx_robot_cmd": (
        BOTH | {"mode": 5}, "arx5_arm_msg.msg.RobotCmd", lambda m: (*m.joint_pos, m.gripper, m.mode)
    ),
    "arx_joint_control": (
        BOTH | {"mode": 1}, "arm_control.msg.JointControl", lambda m: (*m.joint_pos, m.mode)
    ),
    "arx_lift": ({"joints": LEFT[1:2]}, "arm_control.msg.PosCmd", lambda m: (m.height, m.chx)),
}  # fmt: skip
EXPECTED = {
    "joint_trajectory": (ARM["names"], QUARTERS),
    "forward_position": [0.75],
    "joint_state": (ARM["names"], QUARTERS),
    "twist": (0.5, 0.5),
    "twist_stamped": (0.5, 0.5),
    "interbotix_group": QUARTERS,
    "interbotix_single": 0.75,
    "arx_robot_cmd": (*QUARTERS, 0.75, 5),
    "arx_joint_control": (*QUARTERS, 0.75, 0.0, 1),
    "arx_lift": (0.25, 0.0),
}


def imported(name):
    """A message by its name in Python; skips where its package is not installed."""
    if not isinstance(name, str):
        return name
    module, _, kind = name.rpartition(".")
    return getattr(pytest.importorskip(module, reason=f"{module} comes with a distribution"), kind)


@pytest.mark.parametrize("type_", COMMANDS)
def test_each_type_is_heard_by_its_driver(peer, node, robot_file, type_):
    given, kind, read = COMMANDS[type_]
    heard = peer.listen(imported(kind), "driver/commands")
    controller = {"name": "driver", "type": type_, "topic": "driver/commands", "rate_hz": 50}
    base = {"base": BASE} if given is DRIVE else {}
    robot = load_embodiment(robot_file(controller | given, **base))
    outputs = CommandOutputs(node, robot, 50.0, dry_run=False)
    sent = window(robot, AT, velocity=0.5)
    peer.until(lambda: heard, lambda: outputs.publish(sent, peer.now_ns))
    assert_same(read(heard[0]), EXPECTED[type_])
    outputs.destroy()
    assert node.count_publishers("driver/commands") == 0


def assert_same(heard, expected):
    if isinstance(expected, tuple) and isinstance(expected[0], list):
        assert list(heard[0]) == expected[0]
        heard, expected = heard[1], expected[1]
    np.testing.assert_allclose(np.array(heard, dtype=float), expected, atol=1e-6)


def test_a_controller_is_served_at_its_rate(peer, node, robot):
    heard = peer.listen(Float64MultiArray, "left_gripper_controller/commands")
    outputs = CommandOutputs(node, robot, 50.0, dry_run=False)
    peer.until(lambda: heard, lambda: outputs.publish(window(robot), peer.now_ns))
    heard.clear()
    for tick in range(10, 31):  # 500 Hz: every tenth tick is 50 Hz
        outputs.publish(window(robot, {GRIPPER: 0.01 * (tick - 10)}), tick * 2 * MS)
        peer.until(lambda tick=tick: len(heard) == tick // 10)
    assert [message.data[0] for message in heard] == pytest.approx([0.0, 0.1, 0.2])
    outputs.destroy()


def test_a_missing_message_package_leaves_nothing_behind(node, robot_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "arx5_arm_msg.msg", None)
    arx = {"name": "arx", "type": "arx_robot_cmd", "topic": "arm_cmd", "rate_hz": 50, "mode": 5}
    robot = load_embodiment(robot_file(arx | {"joints": [*LEFT, GRIPPER]}))
    before = len(list(node.publishers))
    with pytest.raises(ImportError, match="'arx' of type arx_robot_cmd needs arx5_arm_msg"):
        CommandOutputs(node, robot, 50.0, dry_run=False)
    assert len(list(node.publishers)) == before


# --- actions ----------------------------------------------------------------------------------


class Server:
    """An action's server on the peer: remembers the goals, accepts or rejects."""

    def __init__(self, peer, kind, name, *, accepts=True):
        self.goals = []
        self.is_idle = True
        self._accepts = accepts
        self._server = ActionServer(
            peer.node, kind, name, self._execute, goal_callback=self._on_goal
        )
        self._result = kind.Result

    def _on_goal(self, goal):
        self.goals.append(goal)
        self.is_idle = not self._accepts
        return GoalResponse.ACCEPT if self._accepts else GoalResponse.REJECT

    def _execute(self, handle):
        handle.succeed()
        self.is_idle = True
        return self._result()

    def close(self):
        self._server.destroy()


@pytest.fixture
def serve(peer):
    servers = []

    def make(*args, **options):
        servers.append(Server(peer, *args, **options))
        return servers[-1]

    yield make
    for server in servers:
        peer.until(lambda server=server: server.is_idle)
        server.close()


@pytest.fixture
def logged(peer, node):
    """Texts of the node's log with a part; also what was said before anybody listened."""
    kept = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    logs = peer.listen(Log, "/rosout", kept)
    return lambda part: [log.msg for log in logs if part in log.msg and log.name == node.get_name()]


@pytest.fixture
def output(node):
    made = GoalOutput(node, RunTask, "task")
    yield made
    made.destroy()


def goal(prompt):
    return RunTask.Goal(prompt=prompt)


def prompts(server):
    return [each.prompt for each in server.goals]


def test_a_goal_reaches_the_server_once(peer, serve, output, spin):
    server = serve(RunTask, "task")
    output.publish(goal("one"))
    peer.until(lambda: server.goals, lambda: (output.retry(), spin()))
    output.publish(goal("two"))
    peer.until(lambda: len(server.goals) == 2, lambda: (output.retry(), spin()))
    assert prompts(server) == ["one", "two"]


def test_the_newest_goal_waits_for_a_server_and_that_is_said_once(
    peer, logged, serve, output, spin
):
    output.publish(goal("old"))
    peer.until(lambda: logged("no action server on task"), lambda: (output.retry(), spin()))
    output.publish(goal("new"))
    for _ in range(5):
        output.retry()
        spin()
    server = serve(RunTask, "task")
    peer.until(lambda: server.goals, lambda: (output.retry(), spin()))
    peer.until(lambda: logged("the action server on task is there"), spin)
    assert prompts(server) == ["new"]
    assert len(logged("no action server on task")) == 1


def test_a_goal_that_waits_is_not_sent_while_nothing_is_commanded(
    peer, node, logged, serve, output, spin
):
    other = ActionClient(node, RunTask, "task")
    output.publish(goal("before the stop"))
    peer.until(lambda: logged("no action server"), spin)
    server = serve(RunTask, "task")
    peer.until(other.server_is_ready, spin)
    output.publish(goal("after it"))  # the sentinel: it comes alone
    peer.until(lambda: server.goals, lambda: (output.retry(), spin()))
    assert prompts(server) == ["after it"]


def test_a_rejected_goal_is_logged(peer, logged, serve, output, spin):
    server = serve(RunTask, "task", accepts=False)
    output.publish(goal("no"))
    peer.until(
        lambda: logged("on task rejected a goal"),
        lambda: (output.retry(), spin()),
    )
    assert prompts(server) == ["no"]


class OneTask:
    """An output that has a single goal."""

    message_type = RunTask

    def __init__(self, controller, embodiment):
        self._goals = [goal("the only one")]

    def encode(self, window, now_ns):
        return self._goals.pop() if self._goals else None


def test_the_only_goal_of_a_controller_waits_for_its_server(
    peer, node, spin, logged, serve, robot, monkeypatch
):
    monkeypatch.setitem(ENCODERS, "forward_position", OneTask)
    outputs = CommandOutputs(node, robot, 50.0, dry_run=False)
    step = lambda: (outputs.publish(window(robot), peer.now_ns), spin())  # noqa: E731
    peer.until(lambda: logged("no action server on left"), step)
    server = serve(RunTask, "left_gripper_controller/commands")
    peer.until(lambda: server.goals, step)
    assert prompts(server) == ["the only one"]
    outputs.destroy()


def test_an_arm_that_has_the_action_only_gets_windows_as_goals(peer, node, spin, serve, robot_file):
    actions = pytest.importorskip(
        "control_msgs.action", reason="control_msgs comes with a distribution"
    )
    server = serve(actions.FollowJointTrajectory, "arm/follow_joint_trajectory")
    controller = ARM | {
        "name": "arm", "type": "follow_joint_trajectory", "topic": "arm/follow_joint_trajectory",
        "rate_hz": 25,
    }  # fmt: skip
    robot = load_embodiment(robot_file(controller))
    outputs = CommandOutputs(node, robot, 50.0, dry_run=False)
    peer.until(lambda: node.count_publishers("arm/follow_joint_trajectory/_action/status"), spin)
    for at_ms in (0, 40):  # the second one stands where the first one ended
        outputs.publish(window(robot, AT), at_ms * MS)
    outputs.publish(window(robot), 80 * MS)
    peer.until(lambda: len(server.goals) >= 2, spin)
    trajectories = [each.trajectory for each in server.goals]
    assert trajectories[0].joint_names == ARM["names"]
    assert list(trajectories[0].points[0].positions) == pytest.approx(QUARTERS)
    assert len(server.goals) == 2
    outputs.destroy()


@pytest.mark.parametrize("type_", ["gripper_command", "parallel_gripper_command"])
def test_a_gripper_gets_a_goal_per_deadband_and_the_end_of_its_movement(
    peer, node, spin, serve, robot_file, type_
):
    actions = pytest.importorskip(
        "control_msgs.action", reason="control_msgs comes with a distribution"
    )
    is_parallel = type_.startswith("parallel")
    action = actions.ParallelGripperCommand if is_parallel else actions.GripperCommand
    server = serve(action, "gripper_cmd")
    controller = {
        "name": "hand", "type": type_, "topic": "gripper_cmd", "rate_hz": 50, "joints": [GRIPPER],
        "gripper": {"open": 0.04, "closed": 0.0}, "deadband": 0.5, "max_effort": 20.0,
    }  # fmt: skip
    robot = load_embodiment(robot_file(controller))
    outputs = CommandOutputs(node, robot, 50.0, dry_run=False)
    peer.until(lambda: node.count_publishers("gripper_cmd/_action/status"), spin)
    for at, (closing, n) in enumerate([(0.0, 1), (0.3, 1), (0.55, 2), (0.7, 2), (0.7, 3)]):
        outputs.publish(window(robot, {GRIPPER: closing * 0.7929}), at * 200 * MS)
        peer.until(lambda n=n: len(server.goals) == n, spin)
    commands = [each.command for each in server.goals]
    positions = [c.position[0] if is_parallel else c.position for c in commands]
    assert positions == pytest.approx([0.04, 0.018, 0.012])
    assert commands[0].effort[0] == 20.0 if is_parallel else commands[0].max_effort == 20.0
    outputs.destroy()


# --- states -----------------------------------------------------------------------------------

STATES = [
    {
        "topic": "arms/joint_states",
        "joints": [*LEFT, *(name.replace("left", "right", 1) for name in LEFT)],
        "names": [f"{side}{i}" for side in "lr" for i in range(6)],
    },
    {
        "topic": "grippers/joint_states",
        "joints": [GRIPPER, GRIPPER.replace("left", "right", 1)],
        "gripper": {"open": 1.0, "closed": 0.0},
    },
]


def publish_states(peer, robot, *, without="", closing=0.0, lag_ns=0):
    """Every source's message of now; the grippers' may lag."""
    now_ns = peer.now_ns
    for source, behind_ns in zip(robot.state_sources, (0, lag_ns), strict=True):
        told = {
            driver: 1.0 - closing if joint.endswith("knuckle_joint") else robot.home[i]
            for joint, driver in zip(source.joints, source.driver_names, strict=True)
            for i in [robot.joint_names.index(joint)]
            if driver != without
        }
        values = np.array(list(told.values()))
        names = list(told)
        peer.publish(source.topic, joint_state(names, now_ns - behind_ns, values, 0 * values))


def test_several_topics_are_one_pose_in_the_joints_units(peer, node, spin, robot_file):
    robot = load_embodiment(robot_file(states=STATES))
    poses, lacks = [], []
    streams = StateStreams(
        node, robot, 200 * MS, lambda stamp_ns, pose: poses.append(pose), lacks.append
    )
    peer.until(lambda: poses, lambda: (publish_states(peer, robot, closing=0.5), spin(), spin()))
    expected = np.where(robot.home == 0.0, 0.0, robot.home)
    expected[[6, 13]] = 0.5 * 0.7929
    np.testing.assert_allclose(poses[-1], expected)
    assert streams.received["arms/joint_states"] > 0
    streams.destroy()


def test_an_arx_driver_tells_joints_and_gripper_by_place(peer, node, spin, robot_file):
    status = imported("arx5_arm_msg.msg.RobotStatus")
    arx = {"topic": "information", "type": "arx_robot_status", "joints": [*LEFT, GRIPPER]}
    right = [name.replace("left", "right", 1) for name in arx["joints"]]
    rest = {"topic": "right/joint_states", "joints": right}
    robot = load_embodiment(
        robot_file(states=[arx | {"gripper": {"open": -3.4, "closed": 0.0}}, rest])
    )
    poses = []
    streams = StateStreams(node, robot, 200 * MS, lambda *pose: poses.append(pose), print)
    message = status(joint_pos=[*QUARTERS, -3.4 / 4])

    def publish():
        message.header.stamp = to_time(peer.now_ns)
        peer.publish("information", message)
        peer.publish("right/joint_states", joint_state(right, peer.now_ns, np.ones(7), np.ones(7)))
        spin()
        spin()

    peer.until(lambda: poses, publish)
    stamp_ns, positions = poses[-1]
    np.testing.assert_allclose(positions, [*QUARTERS, 0.75 * 0.7929, *np.ones(7)])
    assert 0 <= peer.now_ns - stamp_ns < 10**10, "the driver's stamp"
    streams.destroy()


def test_the_executor_plays_on_the_states_of_several_drivers_and_names_what_is_missing(
    peer, start, robot_file
):
    path = robot_file(states=STATES)
    robot = load_embodiment(path)
    status = peer.listen(ExecutorStatus, "chunk_executor_node/status")
    start(ChunkExecutorNode, embodiment=path, enable_on_activate=True)
    said = lambda part: status and part in status[-1].detail  # noqa: E731
    peer.until(
        lambda: said("arms/joint_states lacks l2"),
        lambda: publish_states(peer, robot, without="l2"),
    )
    assert (status[-1].state, status[-1].reason) == (State.HOLDING, "joint_states_missing")
    peer.until(
        lambda: said("s older than arms/joint_states, limit 0.20"),
        lambda: publish_states(peer, robot, lag_ns=500 * MS),
    )
    assert status[-1].detail.startswith("grippers/joint_states is 0.5")
    peer.until(lambda: status[-1].reason == "no_chunk", lambda: publish_states(peer, robot))


# --- types of other packages ------------------------------------------------------------------


@pytest.fixture
def documented(tmp_path, monkeypatch):
    """The example of docs/outputs.md, installed; returns its controller."""
    blocks = re.findall(r"```\w+\n# (.*?)\n(.*?)```", DOCS.read_text(), re.DOTALL)
    files = {name: text for name, text in blocks if name.endswith(".py")}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    package = tmp_path / "my_grippers"
    built = subprocess.run(
        [sys.executable, "setup.py", "-q", "dist_info"],
        cwd=package, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert list(package.glob("*.dist-info/entry_points.txt"))
    monkeypatch.syspath_prepend(str(package))
    yield yaml.safe_load(dict(blocks)["a controller in the robot's YAML"])
    for name in [name for name in sys.modules if name.split(".")[0] == "my_grippers"]:
        del sys.modules[name]


def test_the_documented_output_of_another_package_is_heard_by_its_driver(
    peer, node, robot_file, documented
):
    heard = peer.listen(Float64, "left_gripper/percent")
    robot = load_embodiment(robot_file(documented))
    outputs = CommandOutputs(node, robot, 50.0, dry_run=False)
    peer.until(lambda: node.count_subscribers("left_gripper/percent"))
    for at, (closing, n) in enumerate([(0.0, 1), (0.01, 1), (0.25, 2), (0.25, 2), (1.0, 3)]):
        outputs.publish(window(robot, {GRIPPER: closing * 0.7929}), at * 200 * MS)
        peer.until(lambda n=n: len(heard) == n)
    assert [message.data for message in heard] == [100.0, 75.0, 0.0]
    outputs.destroy()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (
            "raise RuntimeError('no licence')",
            "my_grippers.percent:PercentOutput cannot be imported",
        ),
        (
            "class PercentOutput:\n    def __init__(self, *_): pass",
            "it needs the attribute message_",
        ),
    ],
)
def test_a_broken_output_of_another_package_is_named(
    node, robot_file, documented, tmp_path, broken, said
):
    (tmp_path / "my_grippers/my_grippers/percent.py").write_text(broken)
    robot = load_embodiment(robot_file(documented))
    named = "controller 'left_gripper_controller' of type percent: .*"
    with pytest.raises((ImportError, ValueError), match=named + said):
        CommandOutputs(node, robot, 50.0, dry_run=False)
