"""The executor's plan as lines for RViz: what is executed, and what is left."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from pi0_ros.bridge.stamps import to_time
from pi0_ros.execution.preview import Path

EXECUTED, LEFT = 0, 1  # ids of the two lines of each path
WIDTH_M = 0.006
GREY, ORANGE, BLUE = (0.6, 0.6, 0.6), (1.0, 0.55, 0.0), (0.2, 0.6, 1.0)


def plan_markers(
    paths: Mapping[str, Path], frame: str, stamp_ns: int, *, is_played: bool
) -> MarkerArray:
    """Draw each path in a namespace of its own.

    Executed is grey, left is orange; a plan that is not played is blue.

    Args:
        paths: By the name of an arm, or ``base``.
        frame: In which the paths are.
        stamp_ns: When the robot stood where they are seen from [ns, node clock].
        is_played: Whether the executor plays the plan.
    """
    color = ORANGE if is_played else BLUE
    lines = [
        _line(name, id_, points, color_)
        for name, path in paths.items()
        for id_, points, color_ in ((EXECUTED, path.executed, GREY), (LEFT, path.left, color))
    ]
    for line in lines:
        line.header.frame_id, line.header.stamp = frame, to_time(stamp_ns)
    return MarkerArray(markers=lines)


def no_markers() -> MarkerArray:
    """Take every line away."""
    return MarkerArray(markers=[Marker(action=Marker.DELETEALL)])


def _line(name: str, id_: int, points: np.ndarray, color: tuple[float, float, float]) -> Marker:
    """A line; RViz complains about a line of one point, so that is taken away."""
    if len(points) < 2:
        return Marker(ns=name, id=id_, action=Marker.DELETE)
    r, g, b = color
    line = Marker(
        ns=name,
        id=id_,
        type=Marker.LINE_STRIP,
        scale=Vector3(x=WIDTH_M),
        color=ColorRGBA(r=r, g=g, b=b, a=0.9),
        points=[Point(x=x, y=y, z=z) for x, y, z in points.tolist()],
    )
    line.pose.orientation.w = 1.0
    return line
