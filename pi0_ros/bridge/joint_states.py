"""sensor_msgs/JointState to positions by name and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sensor_msgs.msg import JointState

from pi0_ros.bridge.stamps import to_time


def positions_by_name(message: JointState) -> dict[str, float]:
    """Return the position of each joint that has one [rad or m]; the order does not matter."""
    return dict(zip(message.name, message.position, strict=False))


def joint_state(
    names: Sequence[str],
    stamp_ns: int,
    positions: np.ndarray,
    velocities: np.ndarray,
    efforts: np.ndarray | None = None,
) -> JointState:
    """Build a message from (D,) arrays [rad or m, per s, Nm or N] and a stamp [ns]."""
    message = JointState()
    message.header.stamp = to_time(stamp_ns)
    message.name = list(names)
    message.position = positions.tolist()
    message.velocity = velocities.tolist()
    message.effort = [] if efforts is None else efforts.tolist()
    return message
