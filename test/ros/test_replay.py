"""`pi0 replay` of bags of a real policy_node: its plans come out the same, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pi0_msgs.msg import ActionChunk, PolicyStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray, Header
from typer.testing import CliRunner

from pi0_ros.bridge.bags.bag import Bag
from pi0_ros.bridge.bags.writing import BagWriter
from pi0_ros.bridge.images import encode_image
from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.bridge.stamps import to_time
from pi0_ros.cli.main import app
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.policy_node import PolicyNode
from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint
from pi0_ros.policy.pi0 import Pi0Policy

CHUNKS, STATUS, STATES = "policy_node/action_chunk", "policy_node/status", "joint_states"
PROMPT = "left arm reach the red block"
MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
LOSSLESS = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)


class Recorder:
    """Writes the bytes of every message that it hears into a bag, as `ros2 bag record` does."""

    def __init__(self, peer: Any, folder: Path) -> None:
        self._peer, self._writer = peer, BagWriter(folder)
        self.folder = folder
        self.is_deaf_to: set[str] = set()
        self.chunks: list[ActionChunk] = []

    def record(self, topic: str, kind: type[Any], profile: QoSProfile = LOSSLESS) -> None:
        self._writer.add_topic(f"/{topic}", kind)

        def write(data: bytes) -> None:
            if topic not in self.is_deaf_to:
                self._writer.write(f"/{topic}", self._peer.now_ns, data)
            if topic == CHUNKS:
                self.chunks.append(deserialize_message(data, ActionChunk))

        self._peer.node.create_subscription(kind, topic, write, profile, raw=True)

    def close(self) -> None:
        self._writer.__exit__(None, None, None)


@pytest.fixture
def record(peer, robot, tmp_path, monkeypatch) -> Callable[..., Recorder]:
    """Record a policy_node to be started; nobody loses a message meanwhile."""
    for streams in ("IMAGES", "JOINT_STATES"):
        monkeypatch.setattr(qos, streams, LOSSLESS)

    def make(kind: type[Any] = Image, suffix: str = "") -> Recorder:
        recorder = Recorder(peer, tmp_path / "bag")
        recorder.record(STATES, JointState)
        recorder.record(STATUS, PolicyStatus)
        recorder.record(CHUNKS, ActionChunk)
        for camera in robot.cameras:
            recorder.record(camera.topic + suffix, kind)
        return recorder

    return make


@pytest.fixture
def moving(peer, robot) -> Callable[..., None]:
    """Feed one instant of a moving robot that sees a moving block."""

    def feed(*, compressed: bool = False) -> None:
        seconds = peer.now_ns / 1e9
        peer.publish_pose(robot.home + 0.1 * np.sin(seconds))
        rgb = np.full((120, 160, 3), 150, np.uint8)
        left = round(75 + 20 * np.sin(3 * seconds))
        rgb[55:65, left : left + 10] = (220, 10, 10)
        peer.publish_images(rgb, compressed=compressed)

    return feed


def replay(bag: Path, *options: str, expect: int = 0) -> dict[str, Any]:
    numbers = bag.parent / "numbers.json"
    arguments = ["replay", str(bag), "--json", str(numbers), *options]
    numbers.unlink(missing_ok=True)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == expect, (result.output, result.exception)
    return {**json.loads(numbers.read_text()), "said": result.output}


def refused(bag: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["replay", str(bag), *options])
    assert isinstance(result.exception, ValueError | OSError), result.output
    return str(result.exception)


# --- recorded from a running policy_node -----------------------------------------------------


def test_scripted_plans_come_out_the_same_bit_for_bit(peer, start, record, moving):
    recorder = record()
    start(PolicyNode, prompt=PROMPT, execute=2)
    peer.until(lambda: len(recorder.chunks) >= 4, moving)
    recorder.close()
    told = replay(recorder.folder)
    assert told["equal"] == len(recorder.chunks)
    assert (told["different"], told["missing"]) == ([], {})
    assert "planned again bit for bit, 0 differ" in told["said"]


def test_compressed_images_are_decoded_to_the_same_bits(peer, start, record, moving):
    recorder = record(CompressedImage, "/compressed")
    start(PolicyNode, prompt=PROMPT, execute=2, image_transport="compressed")
    peer.until(lambda: len(recorder.chunks) >= 3, lambda: moving(compressed=True))
    recorder.close()
    assert replay(recorder.folder)["equal"] == len(recorder.chunks)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("random_pi0")
    write_random_checkpoint(folder, load_embodiment("ur5e_bimanual"), seed=0)
    return folder


def continued(chunks: list[ActionChunk]) -> list[int]:
    return [chunk.sequence for chunk in chunks if chunk.previous_step >= 0]


NETWORK = {"policy": "pi0", "prompt": "anything", "execute": 4, "steps": 1, "seed": 5}
AS_RUN = ("--execute", "4", "--steps", "1", "--seed", "5")


@pytest.mark.parametrize("rtc", ["guided", "identity"])
def test_chunks_of_the_network_that_continue_others_come_out_the_same(
    peer, start, record, moving, checkpoint, rtc
):
    recorder = record()
    start(PolicyNode, checkpoint=str(checkpoint), rtc=rtc, **NETWORK)
    peer.until(lambda: len(continued(recorder.chunks)) >= 2, moving, within_s=120.0)
    recorder.close()
    told = replay(recorder.folder, *AS_RUN, "--rtc", rtc)
    assert told["equal"] == len(recorder.chunks)
    assert told["checkpoint"] == str(checkpoint)  # as policy_node/status says

    loose = replay(recorder.folder, *AS_RUN, "--rtc", "none", expect=1)
    assert loose["different"] == continued(recorder.chunks)

    other = replay(recorder.folder, *AS_RUN, "--rtc", rtc, "--seed", "6", expect=1)
    assert other["equal"] == 0
    assert min(other["largest_difference"].values()) > 0.0
    assert "another policy, checkpoint, seed" in other["said"]


def test_a_chunk_whose_image_was_lost_is_not_called_different(peer, start, robot, record, moving):
    recorder = record()
    start(PolicyNode, prompt=PROMPT, execute=2)
    peer.until(lambda: len(recorder.chunks) >= 2, moving)
    recorder.is_deaf_to = {robot.cameras[2].topic}
    heard = len(recorder.chunks)
    peer.until(lambda: len(recorder.chunks) >= heard + 3, moving)
    recorder.close()
    told = replay(recorder.folder)
    assert told["different"] == []
    assert told["equal"] >= 2
    assert len(told["missing"]) >= 2
    assert told["equal"] + len(told["missing"]) == len(recorder.chunks)
    assert "right_wrist_camera: image of " in told["said"]
    assert "s is not in the bag" in told["said"]


def test_a_chunk_that_continues_one_that_was_not_recorded_is_not_called_different(
    peer, start, record, moving, checkpoint
):
    recorder = record()
    recorder.is_deaf_to = {CHUNKS}
    start(PolicyNode, checkpoint=str(checkpoint), **NETWORK)
    peer.until(lambda: recorder.chunks, moving, within_s=120.0)
    recorder.is_deaf_to = set()
    heard = len(recorder.chunks)
    peer.until(lambda: len(continued(recorder.chunks[heard:])) >= 2, moving, within_s=120.0)
    recorder.close()
    told = replay(recorder.folder, *AS_RUN)
    before = {chunk.sequence for chunk in recorder.chunks[:heard]}
    orphans = [c for c in recorder.chunks[heard:]
               if c.previous_step >= 0 and c.previous_sequence in before]  # fmt: skip
    assert set(told["missing"]) == {str(chunk.sequence) for chunk in orphans}
    for chunk in orphans:
        (lack,) = told["missing"][str(chunk.sequence)]
        assert lack == f"chunk {chunk.previous_sequence}, which it continues, is not in the bag"
    assert told["different"] == []
    assert told["equal"] == len(recorder.chunks) - heard - len(orphans) > 0


def test_recorded_plans_may_be_compared_with_what_was_done_instead(
    peer, start, robot, record, moving
):
    recorder = record()
    start(PolicyNode, prompt=PROMPT, execute=2)
    peer.until(lambda: len(recorder.chunks) >= 2, moving)
    recorder.close()
    told = replay(recorder.folder, "--compare", "--prompt", PROMPT)
    assert told["plans"] >= 1
    assert set(told["measured"]["mean"]) == set(robot.joint_names)
    assert "fold" in refused(recorder.folder, "--compare", "--prompt", "fold the towel")


# --- an operator's demonstration, written by hand --------------------------------------------


def demonstrate(
    robot: Any, folder: Path, seconds: float, *, before: str = "", without: str = "",
    commands: float | None = None, size: tuple[int, int] = (12, 16), runs: int = 1,
    image_delay_ns: int = 0,
) -> Path:  # fmt: skip
    """Write a bag: all joints move by 0.1 per second from home, states at 100 and images at 10 Hz.

    ``commands`` are so far ahead of the joints [rad or m]. Each of several ``runs`` begins with the
    same stamps, as a simulation's do.
    """
    rgb = np.full((*size, 3), 90, np.uint8)
    names = [name for name in robot.joint_names if name != without]
    kept = [robot.joint_names.index(name) for name in names]
    with BagWriter(folder) as bag:
        bag.add_topic(f"{before}/joint_states", JointState)
        for camera in robot.cameras:
            bag.add_topic(f"{before}/{camera.topic}", Image)
        ticks = round(100 * seconds)
        for received in range(runs * ticks):
            tick = received % ticks
            stamp_ns, at_ns = (START_NS + count * 10 * MS for count in (tick, received))
            positions = robot.home + 0.001 * tick
            state = joint_state(names, stamp_ns, positions[kept], 0 * positions[kept])
            bag.write(f"{before}/joint_states", at_ns, serialize_message(state))
            if commands is not None:
                for one in robot.controllers:
                    joints = [robot.joint_names.index(name) for name in one.joints]
                    order = Float64MultiArray(data=(positions[joints] + commands).tolist())
                    bag.add_topic(f"/{one.topic}", Float64MultiArray)
                    bag.write(f"/{one.topic}", at_ns, serialize_message(order))
            if tick % 10 == 0:
                image = encode_image(rgb, Header(stamp=to_time(stamp_ns - image_delay_ns)))
                for camera in robot.cameras:
                    bag.write(f"{before}/{camera.topic}", at_ns, serialize_message(image))
    return folder


@pytest.fixture
def network(checkpoint) -> tuple[str, ...]:
    return ("--embodiment", "ur5e_bimanual", "--checkpoint", str(checkpoint), "--steps", "1",
            "--prompt", "anything")  # fmt: skip


def test_plans_are_compared_with_what_the_joints_did(robot, tmp_path, network):
    """The random network stays at home, and the joints leave it by 0.1 per second for 3 s."""
    bag = demonstrate(robot, tmp_path / "bag", 3.0)
    told = replay(bag, *network)
    # The one that is due at 0.8 s is made from the images of 0.7 s, the next at 1.5 s ...
    assert told["plans"] == 5
    measured = told["measured"]
    assert set(measured["mean"]) == set(robot.joint_names)
    for joint in robot.joint_names:
        assert measured["mean"][joint] == pytest.approx(0.15, abs=0.04)
        assert measured["largest"][joint] == pytest.approx(0.3, abs=0.04)
    assert told["commanded"]["samples"] == 0
    assert "5 plans against" in told["said"]


def test_plans_are_compared_with_the_recorded_commands_too(tmp_path, checkpoint):
    """The arms are commanded 0.5 ahead of where they are."""
    robot = load_embodiment("arx_bimanual", simulation=True)
    assert {one.type for one in robot.controllers} == {"forward_position"}
    folder = tmp_path / "arx"
    write_random_checkpoint(folder, robot, seed=0)
    bag = demonstrate(robot, tmp_path / "bag", 1.0, commands=0.5)
    options = ("--embodiment", "arx_bimanual", "--simulation", "--checkpoint", str(folder),
               "--prompt", "anything", "--steps", "1")  # fmt: skip
    told = replay(bag, *options)
    joint = robot.joint_names[0]
    ahead = told["commanded"]["mean"][joint] - told["measured"]["mean"][joint]
    assert ahead == pytest.approx(0.5, abs=0.1)


def test_a_plan_that_comes_late_counts_from_then_on(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 2.0)
    at_once = replay(bag, *network)["measured"]["samples"]
    late = replay(bag, *network, "--latency", "500")["measured"]["samples"]
    assert at_once - late == pytest.approx(50, abs=2)  # 0.5 s of 100 Hz


def test_plans_are_kept_as_a_bag_that_others_read(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 2.0)
    replay(bag, *network, "--out", str(tmp_path / "plans"))
    with Reader(tmp_path / "plans") as plans:
        (topic,) = plans.connections
        received = [deserialize_message(d, ActionChunk) for _, _, d in plans.messages()]
    assert (topic.topic, topic.msgtype) == ("/policy_node/action_chunk", "pi0_msgs/msg/ActionChunk")
    assert "float64[] actions" in topic.msgdef.data
    assert [chunk.sequence for chunk in received] == [0, 1, 2]
    assert received[0].header.frame_id == robot.name
    assert received[0].header.stamp == to_time(START_NS)
    assert "exists" in refused(bag, *network, "--out", str(tmp_path / "plans"))


def test_plans_are_kept_as_arrays(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 2.0)
    replay(bag, *network, "--out", str(tmp_path / "plans.npz"))
    plans = np.load(tmp_path / "plans.npz")
    assert plans["actions"].shape == (3, 50, 14)
    assert plans["start_ns"][0] == START_NS
    assert plans["names"].tolist() == list(robot.axis_names)


def test_a_part_of_a_bag_is_enough(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 3.0)
    assert replay(bag, *network, "--from", "1", "--to", "1.5")["measured"]["samples"] <= 51
    assert "the bag lasts 3.0 s" in refused(bag, *network, "--from", "7")


def test_a_bag_of_a_namespace_is_found_out(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 1.0, before="/cell_2")
    assert "give --namespace cell_2" in refused(bag, *network)
    assert replay(bag, *network, "--namespace", "cell_2")["plans"] == 2


def test_other_names_are_remapped_as_in_ros(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 1.0)
    rule = "base_camera/image_raw:=/left_wrist_camera/image_raw"
    assert replay(bag, *network, "--topic", rule)["plans"] == 2
    assert "lacks /front/image_raw" in refused(
        bag, *network, "--topic", "base_camera/image_raw:=/front/image_raw"
    )


def test_a_topic_of_another_type_is_refused(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 1.0)
    said = refused(bag, *network, "--topic", "joint_states:=/base_camera/image_raw")
    assert said == "/base_camera/image_raw holds sensor_msgs/msg/Image, not " \
                   "sensor_msgs/msg/JointState"  # fmt: skip


def test_a_bag_of_another_robot_is_refused_with_what_it_has(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 1.0)
    said = refused(bag, "--embodiment", "franka", "--prompt", PROMPT)
    assert "lacks /wrist_camera/image_raw" in said
    assert "it has /base_camera/image_raw (sensor_msgs/msg/Image)" in said


def test_a_bag_without_a_joint_is_refused(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 1.0, without="left_elbow_joint")
    assert "joint_states lacks left_elbow_joint" in refused(bag, *network)


def test_without_a_prompt_or_a_robot_it_says_what_to_give(robot, tmp_path):
    bag = demonstrate(robot, tmp_path / "bag", 1.0)
    assert "--embodiment" in refused(bag)
    assert "--prompt" in refused(bag, "--embodiment", "ur5e_bimanual")


def test_a_bag_whose_recorder_was_killed_is_read_up_to_there(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 4.0, size=(120, 160))
    file = bag / "bag.mcap"
    file.write_bytes(file.read_bytes()[: -file.stat().st_size // 3])
    (bag / "metadata.yaml").unlink()
    told = replay(bag, *network)
    assert "bag.mcap is damaged (it ends too early); its first" in told["said"]
    assert 0 < told["plans"] < 5
    with Bag(bag) as damaged:
        assert 0 < damaged.topics["/joint_states"].count < 400


def test_a_simulation_that_started_over_is_planned_for_again(robot, tmp_path, network):
    bag = demonstrate(robot, tmp_path / "bag", 2.0, runs=2)
    assert replay(bag, *network)["plans"] == 6  # three per run


def test_ctrl_c_ends_it_with_what_was_done_so_far(robot, tmp_path, network, monkeypatch):
    bag = demonstrate(robot, tmp_path / "bag", 4.0)
    plan, sequences = Pi0Policy.plan, []

    def interrupted(self, observation, previous, sequence):
        sequences.append(sequence)
        if sequence == 2:
            raise KeyboardInterrupt
        return plan(self, observation, previous, sequence)

    monkeypatch.setattr(Pi0Policy, "plan", interrupted)
    out = tmp_path / "plans"
    told = replay(bag, *network, "--out", str(out), expect=130)
    assert sequences == [0, 1, 2]
    assert told["plans"] == 2
    assert "interrupted; this is what was done so far" in told["said"]
    with Bag(out) as plans:
        assert plans.topics["/policy_node/action_chunk"].count == 2
        assert plans.fault == ""


def test_a_robot_of_which_nothing_is_seen_is_told_why(robot, tmp_path, network):
    """All images are older than they may be."""
    bag = demonstrate(robot, tmp_path / "bag", 2.0, image_delay_ns=900 * MS)
    told = replay(bag, *network, expect=2)
    assert told["plans"] == 0
    assert "base_camera: image 0." in told["said"]
