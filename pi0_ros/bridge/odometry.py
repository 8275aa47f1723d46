"""Where a mobile base is, as nav_msgs/Odometry and as a transform."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseWithCovariance,
    Quaternion,
    Transform,
    TransformStamped,
    Twist,
    TwistWithCovariance,
    Vector3,
)
from nav_msgs.msg import Odometry

from pi0_ros.bridge.stamps import to_time
from pi0_ros.embodiment.axes import Base


def odometry(base: Base, stamp_ns: int, pose: np.ndarray, velocity: np.ndarray) -> Odometry:
    """Build a message.

    Args:
        base: Names the frames.
        stamp_ns: Instant of the measurement [ns].
        pose: x, y [m] and heading [rad] in ``base.odometry_frame``, (3,).
        velocity: Forward, to the left [m/s] and yaw [rad/s] in ``base.frame``, (3,).
    """
    x, y, yaw = (float(value) for value in pose)
    ahead, left, turn = (float(value) for value in velocity)
    twist = Twist(linear=Vector3(x=ahead, y=left), angular=Vector3(z=turn))
    message = Odometry(
        child_frame_id=base.frame,
        pose=PoseWithCovariance(
            pose=Pose(position=Point(x=x, y=y), orientation=Quaternion(**_about_z(yaw)))
        ),
        twist=TwistWithCovariance(twist=twist),
    )
    message.header.frame_id = base.odometry_frame
    message.header.stamp = to_time(stamp_ns)
    return message


def odometry_transform(message: Odometry) -> Any:
    """Return the same pose as a tf2_msgs/TFMessage.

    Raises:
        ImportError: tf2_msgs is not installed; only a distribution has it.
    """
    from tf2_msgs.msg import TFMessage

    pose = message.pose.pose
    place = Vector3(x=pose.position.x, y=pose.position.y, z=pose.position.z)
    moved = TransformStamped(
        header=message.header,
        child_frame_id=message.child_frame_id,
        transform=Transform(translation=place, rotation=pose.orientation),
    )
    return TFMessage(transforms=[moved])


def _about_z(yaw: float) -> dict[str, float]:
    return {"z": float(np.sin(yaw / 2)), "w": float(np.cos(yaw / 2))}
