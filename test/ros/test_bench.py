"""`pi0 bench seam` and `pi0 bench executor`: what they send, and short runs of both."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from typer.testing import CliRunner

from pi0_ros.bridge.chunks import decode_chunk
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.bridge.trajectories import decode_trajectory
from pi0_ros.cli.bench.seam.feeds import STYLES, Target, chosen
from pi0_ros.cli.bench.seam.motion import ChunkStream, Timing, wanted
from pi0_ros.cli.main import app
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.sim_robot_node import SimRobotNode

MS = 1_000_000
START_NS = 1_000 * MS
TIMING = Timing(period_ns=50 * MS, replan_ns=400 * MS, latency_ns=200 * MS)
HOME = -0.4  # of the shoulder, which moves


@pytest.fixture
def target():
    return Target.of(load_embodiment("ur5e", simulation=True))


@pytest.fixture
def feed(target):
    """Return a style's feed; chunk 0 is right, chunk 1 is 0.1 rad off."""

    def make(name, first_sequence=0):
        style = STYLES[name]
        biases, steady = np.array([0.0, 0.1]), np.zeros((2, 50))
        chunks = ChunkStream(START_NS, TIMING, biases, steady, continued=style.continued)
        return style.make(target, chunks, first_sequence)

    return make


# --- what is sent --------------------------------------------------------------------------------


def test_one_point_is_the_action_that_is_due_at_once(feed):
    one = feed("one_point")
    assert (one.first_ns, one.interval_ns) == (START_NS + 200 * MS, 50 * MS)
    sent = decode_trajectory(one.message(START_NS + 310 * MS))  # action 6 of chunk 0
    assert (sent.stamp_ns, sent.times_ns.tolist()) == (0, [0])
    assert sent.positions[0, 0] == pytest.approx(HOME + wanted(0.3))


def test_one_point_ahead_is_the_next_action_one_period_from_now(feed):
    sent = decode_trajectory(feed("one_point_ahead").message(START_NS + 610 * MS))
    assert (sent.stamp_ns, sent.times_ns.tolist()) == (0, [50 * MS])
    assert sent.positions[0, 0] == pytest.approx(HOME + wanted(0.65) + 0.1)  # of chunk 1


def test_a_stamped_chunk_starts_at_its_observation(feed):
    sent = decode_trajectory(feed("stamped_chunk").message(START_NS + 600 * MS))
    assert sent.stamp_ns == START_NS + 400 * MS
    assert sent.positions.shape == (50, 6)
    assert sent.positions[:, 0] == pytest.approx(HOME + wanted(0.4 + 0.05 * np.arange(50)) + 0.1)


def test_a_linear_blend_leaves_what_was_sent_over_a_fifth_of_a_second(feed):
    blend = feed("linear_blend")
    blend.message(START_NS + 200 * MS)
    sent = decode_trajectory(blend.message(START_NS + 600 * MS))
    bias = sent.positions[:, 0] - HOME - wanted(0.4 + 0.05 * np.arange(50))
    # Actions 0 to 4 are due until now, 8 is due 0.2 s later.
    assert bias[:10] == pytest.approx([0, 0, 0, 0, 0, 0.025, 0.05, 0.075, 0.1, 0.1], abs=1e-3)


def test_the_executor_gets_the_chunk_as_a_policy_sends_it(feed, target):
    sent = decode_chunk(feed("fade", first_sequence=70).message(START_NS + 600 * MS))
    assert (sent.sequence, sent.start_ns) == (71, START_NS + 400 * MS)
    assert (sent.frozen_steps, sent.previous_step) == (0, -1.0)
    assert sent.names == target.embodiment.axis_names
    assert sent.actions[0, 0] == pytest.approx(HOME + wanted(0.4) + 0.1)
    assert np.array_equal(sent.actions[:, 1:], np.tile(target.embodiment.home[1:], (50, 1)))


def test_a_continuing_chunk_says_what_it_continues(feed):
    sent = decode_chunk(feed("rtc", first_sequence=70).message(START_NS + 600 * MS))
    assert (sent.frozen_steps, sent.previous_sequence, sent.previous_step) == (6, 70, 8.0)
    assert sent.actions[:6, 0] == pytest.approx(HOME + wanted(0.4 + 0.05 * np.arange(6)))


def test_an_unknown_style_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"style 'rtx' is unknown; known: fade, .*'rtc'"):
        chosen(["rtx"])


def test_a_robot_without_a_trajectory_controller_is_refused():
    with pytest.raises(ValueError, match="arx_bimanual has no controller of type joint_trajectory"):
        Target.of(load_embodiment("arx_bimanual", simulation=True))


# --- what is heard -------------------------------------------------------------------------------


def test_the_robot_tells_what_it_commands_in_cycles_exactly_one_period_apart(peer, start):
    commands = peer.listen(JointState, "sim_robot_node/controller_state", qos.EVERY_CYCLE)
    start(SimRobotNode)
    controller = peer.robot.controllers[0]
    goal = peer.robot.home[:6] + 0.01
    point = JointTrajectoryPoint(
        positions=goal.tolist(), time_from_start=Duration(nanosec=100 * MS)
    )
    message = JointTrajectory(joint_names=list(controller.joints), points=[point])
    peer.until(
        # Exactly: a measured joint would only come near.
        lambda: commands and np.array_equal(commands[-1].position[:6], goal),
        lambda: peer.publish(controller.topic, message, qos.COMMANDS),
        every_s=1.0,
    )
    assert commands[-1].name == list(peer.robot.joint_names)

    def apart(last):
        return np.diff([to_ns(each.header.stamp) for each in commands[-last:]])

    peer.until(lambda: (apart(50) == 2 * MS).all())  # while the machine is not late
    assert (apart(len(commands)) > 0).all()


# --- short runs ----------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(app, ["bench", *arguments])


@pytest.fixture
def alone(monkeypatch):
    """Let a command set the domain and the context as in a process of its own."""
    import rclpy

    monkeypatch.setenv("PI0_DOMAIN_ID", "87")
    monkeypatch.setenv("ROS_DOMAIN_ID", "87")
    rclpy.shutdown()
    yield
    monkeypatch.undo()
    rclpy.init()


def test_the_executor_joins_chunks_that_a_controller_alone_jumps_between(alone, tmp_path):
    file = tmp_path / "seam.json"
    styles = ["--style", "stamped_chunk", "--style", "fade"]
    result = run("seam", "--seconds", "2", "--seeds", "1", *styles, "--json", str(file))
    numbers = json.loads(file.read_text())
    naive, ours = (numbers["styles"][name] for name in ("stamped_chunk", "fade"))
    assert ours["step_mrad"]["worst"] < naive["step_mrad"]["worst"] / 2
    assert naive["runs"][0]["velocity_violations"] > 0
    assert "ok" in ours["executor_said"]
    assert numbers["machine"]
    assert result.exit_code == (0 if ours["goal_met"] else 1)


def test_the_executors_loop_is_timed_beside_one_that_does_nothing(alone, tmp_path):
    file = tmp_path / "executor.json"
    result = run("executor", "--seconds", "2", "--policy", "none", "--rate", "1000",
                 "--embodiment", "ur5e", "--json", str(file))  # fmt: skip
    assert result.exit_code == 0, result.output
    numbers = json.loads(file.read_text())
    for loop in ("executor", "bare_loop"):
        assert numbers[loop]["rate_hz"] == pytest.approx(1000, rel=0.2)
        assert numbers[loop]["seconds"] == pytest.approx(2.0, abs=0.5)
    assert 0 < numbers["work_us_per_tick"]["cpu_p50"] < 1000
    assert numbers["cpu_percent"] > 0


def test_a_wrong_wish_is_refused_before_anything_starts(alone):
    result = run("seam", "--replan-ms", "425")
    assert isinstance(result.exception, ValueError)
    assert "no whole number of actions" in str(result.exception)
