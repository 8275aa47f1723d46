from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from pi0_ros.bridge.odometry import odometry, odometry_transform
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.embodiment.axes import Base

BASE = Base(
    frame="base_footprint",
    odometry_frame="odom",
    timeout_ms=300,
    axes=[
        {"name": "x", "index": 0, "velocity": 1, "acceleration": 1, "direction": "x"},
        {"name": "yaw", "index": 1, "velocity": 1, "acceleration": 1, "direction": "yaw"},
    ],
)
POSE, VELOCITY = np.array([1.0, -2.0, np.pi / 2]), np.array([0.3, 0.1, -0.5])


def test_the_pose_is_in_the_odometrys_frame_and_the_velocity_in_the_bases() -> None:
    message = odometry(BASE, 1_500_000_000, POSE, VELOCITY)
    assert to_ns(message.header.stamp) == 1_500_000_000
    assert (message.header.frame_id, message.child_frame_id) == ("odom", "base_footprint")
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    assert (place.x, place.y, place.z) == (1.0, -2.0, 0.0)
    half = np.sqrt(0.5)  # sine and cosine of an eighth of a turn
    assert (turn.x, turn.y, turn.z, turn.w) == pytest.approx((0, 0, half, half))
    twist = message.twist.twist
    assert (twist.linear.x, twist.linear.y, twist.angular.z) == (0.3, 0.1, -0.5)


def test_many_turns_are_still_a_unit_quaternion() -> None:
    turn = odometry(BASE, 0, np.array([0, 0, 100.0]), VELOCITY).pose.pose.orientation
    assert np.hypot(turn.z, turn.w) == pytest.approx(1.0)


def test_the_transform_has_the_same_pose_and_stamp(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("tf2_msgs.msg")
    package.TFMessage = lambda transforms: types.SimpleNamespace(transforms=transforms)
    monkeypatch.setitem(sys.modules, "tf2_msgs", types.ModuleType("tf2_msgs"))
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", package)
    message = odometry(BASE, 7, POSE, VELOCITY)
    (moved,) = odometry_transform(message).transforms
    assert (moved.header.frame_id, moved.child_frame_id) == ("odom", "base_footprint")
    assert to_ns(moved.header.stamp) == 7
    assert (moved.transform.translation.x, moved.transform.translation.y) == (1.0, -2.0)
    assert moved.transform.rotation == message.pose.pose.orientation
