"""trajectory_msgs/JointTrajectory as the simulated controllers read it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from pi0_ros.bridge.stamps import to_ns
from pi0_ros.simulation.controllers import Rejected, Trajectory


def decode_trajectory(message: JointTrajectory) -> Trajectory:
    """Return the message as a value.

    Raises:
        Rejected: Points of different sizes, or with efforts, which a position controller refuses.
    """
    points = message.points
    if any(len(point.effort) for point in points):
        raise Rejected("points have efforts; this controller has no effort interface")
    return Trajectory(
        tuple(message.joint_names),
        to_ns(message.header.stamp),
        np.array([to_ns(point.time_from_start) for point in points], dtype=np.int64),
        _column([point.positions for point in points], "positions"),
        _optional([point.velocities for point in points], "velocities"),
        _optional([point.accelerations for point in points], "accelerations"),
    )


def committed(message: JointTrajectory) -> Sequence[JointTrajectoryPoint]:
    """Return the points of one of our windows that are final: a stop begins at the last of them."""
    plain = sum(not len(point.velocities) for point in message.points)
    return message.points[: plain + 1]  # type: ignore[no-any-return]


def _optional(rows: list[list[float]], what: str) -> np.ndarray | None:
    """Return None where no point has any, and nan where some have none."""
    if not any(len(row) for row in rows):
        return None
    none = [np.nan] * max(len(row) for row in rows)
    return _column([row if len(row) else none for row in rows], what)


def _column(rows: list[list[float]], what: str) -> np.ndarray:
    if len({len(row) for row in rows}) > 1:
        raise Rejected(f"points have different numbers of {what}")
    return np.array([list(row) for row in rows], dtype=np.float64)
