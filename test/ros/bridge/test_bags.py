"""A robot's streams in a bag as values, and messages into a bag that ROS knows again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ament_index_python.packages import get_package_share_directory
from builtin_interfaces.msg import Duration
from pi0_msgs.msg import ActionChunk, PolicyStatus
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from pi0_ros.bridge.bags.bag import Bag
from pi0_ros.bridge.bags.commanded import ECHO, CommandedPositions
from pi0_ros.bridge.bags.names import TopicNames
from pi0_ros.bridge.bags.recording import (
    CHUNKS,
    STATUS,
    Kind,
    Recording,
    recorded_robot,
    recorded_status,
)
from pi0_ros.bridge.bags.writing import BagWriter
from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.bridge.stamps import to_time
from pi0_ros.embodiment.loading import load_embodiment

MS = 1_000_000


@pytest.fixture
def robot() -> Any:
    return load_embodiment("ur5e_bimanual")


def state(robot: Any, stamp_ns: int, offset: float = 0.0) -> JointState:
    zeros = 0 * robot.home
    return joint_state(robot.joint_names, stamp_ns, robot.home + offset, zeros)


def image(stamp_ns: int, encoding: str = "rgb8") -> Image:
    message = Image(height=1, width=1, encoding=encoding, step=3, data=[1, 2, 3])
    message.header.stamp = to_time(stamp_ns)
    return message


def bag_of(robot: Any, folder: Path, *others: tuple[str, int, Any]) -> Path:
    """Write one state and one image per camera, received at 10 ms and stamped 4 ms, and others."""
    first = [("/joint_states", 10 * MS, state(robot, 4 * MS))] + [
        (f"/{camera.topic}", 10 * MS, image(4 * MS)) for camera in robot.cameras
    ]
    with BagWriter(folder) as bag:
        for topic, received_ns, message in (*first, *others):
            bag.add_topic(topic, type(message))
            bag.write(topic, received_ns, serialize_message(message))
    return folder


def recording_of(bag: Bag, robot: Any, **choices: Any) -> Recording:
    return Recording(bag, robot, TopicNames(), deserialize_message, **choices)


def test_streams_come_as_values_with_their_stamps_in_the_order_received(robot, tmp_path):
    later = ("/joint_states", 20 * MS, state(robot, 15 * MS, 0.5))
    with Bag(bag_of(robot, tmp_path / "bag", later)) as bag:
        recording = recording_of(bag, robot)
        samples = list(recording.samples([*recording.states, recording.cameras[0]]))
    kinds = [(s.stream.kind, s.stamp_ns, s.received_ns) for s in samples]
    assert kinds == [
        (Kind.STATES, 4 * MS, 10 * MS),
        (Kind.IMAGE, 4 * MS, 10 * MS),
        (Kind.STATES, 15 * MS, 20 * MS),
    ]
    assert samples[1].value().tolist() == [[[1, 2, 3]]]
    stamp_ns, positions = samples[2].value()
    assert stamp_ns == 15 * MS
    np.testing.assert_allclose(positions, robot.home + 0.5)


def test_bytes_that_are_no_message_are_refused_by_topic(robot, tmp_path):
    folder = tmp_path / "bag"
    with BagWriter(folder) as bag:
        bag.add_topic("/joint_states", JointState)
        bag.write("/joint_states", MS, b"\0\1\0\0\xff")
        for camera in robot.cameras:
            bag.add_topic(f"/{camera.topic}", Image)
            bag.write(f"/{camera.topic}", MS, serialize_message(image(MS)))
    with Bag(folder) as bag, pytest.raises(ValueError, match="/joint_states: 5 bytes are no"):
        recording_of(bag, robot)


def test_raw_images_are_read_where_there_are_any_unless_told_otherwise(robot, tmp_path):
    with Bag(bag_of(robot, tmp_path / "bag")) as bag:
        assert recording_of(bag, robot).cameras[0].topic == "/base_camera/image_raw"
        with pytest.raises(ValueError, match="lacks /base_camera/image_raw/compressed"):
            recording_of(bag, robot, transport="compressed")


def test_what_policy_node_said_is_found(robot, tmp_path):
    chunk = ActionChunk()
    chunk.header.frame_id = "ur5e_bimanual"
    others = [
        (f"/{CHUNKS}", 20 * MS, chunk),
        (f"/{STATUS}", 30 * MS, PolicyStatus(policy="scripted")),
        (f"/{STATUS}", 40 * MS, PolicyStatus(policy="pi0", checkpoint="/weights")),
    ]
    with Bag(bag_of(robot, tmp_path / "bag", *others)) as bag:
        status = recorded_status(bag, TopicNames(), deserialize_message)
        assert status is not None
        assert (status.policy, status.checkpoint) == ("pi0", "/weights")
        assert recorded_robot(bag, TopicNames(), deserialize_message) == "ur5e_bimanual"
        assert recorded_robot(bag, TopicNames("other"), deserialize_message) == ""


def trajectory(robot: Any, side: int, stamp_ns: int, offset: float) -> JointTrajectory:
    """Command one arm: its first point 20 ms after the stamp."""
    joints = list(robot.controllers[side].joints)
    goal = [float(robot.home[robot.joint_names.index(name)]) + offset for name in joints]
    point = JointTrajectoryPoint(positions=goal, time_from_start=Duration(nanosec=20 * MS))
    message = JointTrajectory(joint_names=joints, points=[point])
    message.header.stamp = to_time(stamp_ns)
    return message


def test_commands_of_all_controllers_make_a_pose_once_each_was_heard(robot, tmp_path):
    arms = [c for c in robot.controllers if c.type == "joint_trajectory"]
    hands = [c for c in robot.controllers if c.type == "forward_position"]
    orders = [(f"/{one.topic}", 20 * MS, Float64MultiArray(data=[0.3])) for one in hands]
    orders += [
        (f"/{one.topic}", 30 * MS, trajectory(robot, robot.controllers.index(one), 25 * MS, 0.1))
        for one in arms
    ]
    with Bag(bag_of(robot, tmp_path / "bag", *orders)) as bag:
        recording = recording_of(bag, robot)
        commanded = CommandedPositions(recording)
        poses = [commanded.take(sample) for sample in recording.samples(commanded.streams)]
    assert poses[:-1] == [None] * 3
    due_ns, positions = poses[-1]
    assert due_ns == 45 * MS
    expected = robot.home + 0.1
    expected[[robot.index(one.joints[0]) for one in hands]] = 0.3
    np.testing.assert_allclose(positions, expected)


def test_the_executors_own_commands_are_preferred(robot, tmp_path):
    echo = (f"/{ECHO}", 30 * MS, state(robot, 28 * MS, 0.2))
    with Bag(bag_of(robot, tmp_path / "bag", echo)) as bag:
        recording = recording_of(bag, robot)
        commanded = CommandedPositions(recording)
        (sample,) = recording.samples(commanded.streams)
        due_ns, positions = commanded.take(sample)
    assert due_ns == 28 * MS
    np.testing.assert_allclose(positions, robot.home + 0.2)


def test_commands_of_some_joints_alone_are_none(robot, tmp_path):
    arm = next(c for c in robot.controllers if c.type == "joint_trajectory")
    order = (f"/{arm.topic}", 30 * MS, trajectory(robot, robot.controllers.index(arm), MS, 0.1))
    with Bag(bag_of(robot, tmp_path / "bag", order)) as bag:
        assert CommandedPositions(recording_of(bag, robot)).streams == ()


def test_a_written_type_has_the_hash_that_ros_gives_it(tmp_path):
    """By it a player compares what was recorded with what it has."""
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/chunks", ActionChunk)
        bag.write("/chunks", MS, serialize_message(ActionChunk()))
    share = Path(get_package_share_directory("pi0_msgs")) / "msg" / "ActionChunk.json"
    hashes = {
        item["type_name"]: item["hash_string"]
        for item in json.loads(share.read_text())["type_hashes"]
    }
    with Reader(tmp_path / "bag") as written:
        (topic,) = written.connections
    assert topic.digest == hashes["pi0_msgs/msg/ActionChunk"]
    with Bag(tmp_path / "bag") as bag:
        assert bag.topics["/chunks"].misfit(ActionChunk) is None


def test_nothing_is_overwritten(tmp_path):
    with pytest.raises(FileExistsError, match="exists; name another"):
        BagWriter(tmp_path)
