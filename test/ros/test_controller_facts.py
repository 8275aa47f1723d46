"""What controllers say about themselves, and who else commands them, over DDS."""

from __future__ import annotations

import numpy as np
import pytest
from rcl_interfaces.msg import Log
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Float64
from trajectory_msgs.msg import JointTrajectory

from pi0_ros.execution.horizon import CommandWindow
from pi0_ros.nodes import qos
from pi0_ros.nodes.command_outputs import CommandOutputs
from pi0_ros.nodes.speed_sliders import SpeedSliders

LEFT = "left_scaled_joint_trajectory_controller"
SLIDERS = [f"{side}_speed_scaling_state_broadcaster/speed_scaling" for side in ("left", "right")]


@pytest.fixture
def node():
    made = Node("chunk_executor_node")
    yield made
    made.destroy_node()


@pytest.fixture
def spin(node):
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    yield lambda: executor.spin_once(timeout_sec=0.01)
    executor.shutdown()


@pytest.fixture
def outputs(node, robot):
    made = CommandOutputs(node, robot, 50.0, dry_run=False)
    yield made
    made.destroy()


@pytest.fixture
def window_at(robot):
    """Make a window that stands, as the executor does at an instant [ns]."""

    def make(now_ns):
        rows = np.zeros((33, len(robot.axis_names)))
        return CommandWindow(now_ns - 4_000_000, 2_000_000, rows, rows)

    return make


class Controllers:
    """Nodes with parameters as joint_trajectory_controller has them, one at a time."""

    def __init__(self, joints):
        self._joints = list(joints)
        self._running = None

    def __call__(self, **parameters):
        """Start one and return what lets it answer."""
        node = Node(LEFT)
        node.declare_parameter("joints", self._joints)
        for name, value in parameters.items():
            node.declare_parameter(name, value)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        self._running = (node, executor)
        return lambda: executor.spin_once(timeout_sec=0.005)

    def stop(self):
        if self._running is not None:
            node, executor = self._running
            executor.shutdown()
            node.destroy_node()
            self._running = None


@pytest.fixture
def controller(robot):
    made = Controllers(robot.controllers[0].joints)
    yield made
    made.stop()


def test_a_controller_that_appears_is_asked_and_what_does_not_fit_is_logged_once(
    peer, spin, outputs, controller
):
    kept = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    logs = peer.listen(Log, "/rosout", kept)
    lines = lambda: [log.msg for log in logs if log.msg.startswith(LEFT)]  # noqa: E731
    assert outputs.problems == ()
    turn = controller(allow_trajectory_replacement=True, cmd_timeout=0.5)
    peer.until(lambda: outputs.facts, lambda: (spin(), turn()))
    assert outputs.facts == {
        f"{LEFT} parameters": "cmd_timeout 0.5, allow_trajectory_replacement true"
    }
    (problem,) = outputs.problems
    assert problem.startswith(f"{LEFT}: allow_trajectory_replacement is true")
    peer.until(lambda: len(lines()) >= 2, lambda: (spin(), turn()))
    assert [line.split(";")[0] for line in lines()] == [
        f"{LEFT}: cmd_timeout 0.5, allow_trajectory_replacement true", problem,
    ]  # fmt: skip


def test_a_controller_that_was_started_anew_is_asked_again(peer, spin, outputs, controller):
    first = controller(cmd_timeout=0.5)
    peer.until(lambda: outputs.facts, lambda: (spin(), first()))
    controller.stop()
    peer.until(lambda: not outputs.facts, spin)
    second = controller(cmd_timeout=0.7)
    peer.until(lambda: outputs.facts, lambda: (spin(), second()))
    assert outputs.facts == {f"{LEFT} parameters": "cmd_timeout 0.7"}


@pytest.mark.parametrize("splices", [False, True])
def test_a_controller_that_splices_gets_windows_that_begin_ahead(
    peer, spin, node, outputs, controller, window_at, splices
):
    turn = controller(allow_trajectory_replacement=splices)
    peer.until(lambda: outputs.facts, lambda: (spin(), turn()))
    heard = peer.listen(JointTrajectory, f"{LEFT}/joint_trajectory", qos.COMMANDS)
    now_ns = 10**10

    def send():  # after a rest, who is served is served at once
        outputs.rest(now_ns)
        outputs.publish(window_at(now_ns), now_ns)

    peer.until(lambda: heard, send)
    stamp = heard[-1].header.stamp
    begins_ns = stamp.sec * 10**9 + stamp.nanosec - now_ns
    assert begins_ns == (10_000_000 if splices else -4_000_000)


def test_somebody_else_who_can_command_a_controller_is_named(peer, outputs):
    peer.node.create_publisher(JointTrajectory, f"{LEFT}/joint_trajectory", qos.COMMANDS)
    (problem,) = peer.until(lambda: outputs.problems)
    assert problem == f"{LEFT}/joint_trajectory: /peer can command it, too"


def test_a_slider_in_percent_slows_its_own_controllers_windows(
    peer, spin, outputs, window_at, robot
):
    for topic, percent in zip(SLIDERS, (50.0, 100.0), strict=True):
        peer.publish(topic, Float64(data=percent))
    heard = {
        side: peer.listen(
            JointTrajectory, f"{side}_scaled_joint_trajectory_controller/joint_trajectory"
        )
        for side in ("left", "right")
    }
    now_ns = [10**10]

    def work():
        for topic, percent in zip(SLIDERS, (50.0, 100.0), strict=True):
            peer.publish(topic, Float64(data=percent))
        spin()
        now_ns[0] += 20_000_000
        outputs.publish(window_at(now_ns[0]), now_ns[0])

    def spacing(message):
        return message.points[1].time_from_start.nanosec - message.points[0].time_from_start.nanosec

    # The left one in half of the time, the right one as it is. Whatever was off is made up for.
    peer.until(lambda: heard["left"] and abs(spacing(heard["left"][-1]) - 1_000_000) < 60_000, work)
    peer.until(lambda: heard["right"] and spacing(heard["right"][-1]) == 2_000_000, work)


@pytest.mark.parametrize(
    ("shares", "slowest"),
    [
        ({SLIDERS[0]: 80.0}, 0.8),
        ({SLIDERS[0]: 80.0, SLIDERS[1]: 30.0}, 0.3),
        ({SLIDERS[0]: 80.0, "speed_scaling": 0.1}, 0.1),
        ({SLIDERS[0]: float("nan")}, 0.0),
        ({SLIDERS[0]: 250.0}, 1.0),
        ({"speed_scaling": -1.0}, 0.0),
    ],
)
def test_the_slowest_slider_slows_all(peer, node, spin, robot, shares, slowest):
    heard: list[float] = []
    sliders = SpeedSliders(node, robot, heard.append)

    def work():
        for topic, number in shares.items():
            peer.publish(topic, Float64(data=number))
        spin()

    peer.until(lambda: heard and heard[-1] == pytest.approx(slowest), work)
    sliders.destroy()
    assert node.count_subscribers(SLIDERS[0]) == 0
